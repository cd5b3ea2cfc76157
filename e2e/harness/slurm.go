package harness

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Slurm is a real Slurm with munge, private to this run: its files lie in a
// directory of its own, its daemons listen on loopback ports of their own and
// are children of this process. It needs root, and no other Slurm on the
// machine notices it.
type Slurm struct {
	Dir     string
	env     *Env
	daemons []*exec.Cmd // in the order of their start
}

// Partitions: jobs in Low make way for those in High, on a node where nothing
// else runs; all other tests use Wide.
const (
	Wide = "wide" // n1 and n2
	Low  = "low"  // n3
	High = "high" // n3
)

// nodes is their number; each has more processors than the machine, so that
// several tests can go on at a time.
const (
	nodes      = 3
	processors = 16
)

// slurmPrograms is what a Slurm consists of here.
var slurmPrograms = []string{"munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"}

// SlurmMissing says why no Slurm can be started here, or nothing.
func SlurmMissing() string {
	if os.Geteuid() != 0 {
		return "the daemons of Slurm need root"
	}
	for _, p := range slurmPrograms {
		if _, err := exec.LookPath(p); err != nil {
			return p + " is not installed"
		}
	}
	return ""
}

// NewSlurm starts it and returns when all nodes are ready.
func (e *Env) NewSlurm() (*Slurm, error) {
	s := &Slurm{Dir: filepath.Join(e.Dir, "slurm"), env: e}
	err := s.start()
	if err != nil {
		err = fmt.Errorf("start Slurm: %w\n%s", err, s.logs())
		err = errors.Join(err, s.Close())
	}
	return s, err
}

func (s *Slurm) start() error {
	for _, dir := range []string{"munge", "state", "log"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	key := make([]byte, 1024)
	rand.Read(key)
	if err := os.WriteFile(s.path("munge/key"), key, 0o600); err != nil {
		return err
	}
	if err := s.daemon("munged", "--foreground", "--force", "--num-threads=2", "--key-file="+s.path("munge/key"),
		"--socket="+s.path("munge/socket"), "--pid-file="+s.path("munge/pid"), "--seed-file="+s.path("munge/seed"),
		"--log-file="+s.path("log/munged.log")); err != nil {
		return err
	}
	if err := s.until("munge answers", "munge", "-n", "-S", s.path("munge/socket")); err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	if err := s.daemon("slurmctld", "-D", "-i"); err != nil {
		return err
	}
	if err := s.until("slurmctld answers", "scontrol", "ping"); err != nil {
		return err
	}
	for n := range nodes {
		name := fmt.Sprintf("n%d", n+1)
		// Of each node its own: the PMIx plugin makes a directory of one name in it.
		if err := os.MkdirAll(s.path("tmp."+name), 0o777); err != nil {
			return err
		}
		if err := os.Chmod(s.path("tmp."+name), 0o777|os.ModeSticky); err != nil {
			return err
		}
		if err := s.daemon("slurmd", "-D", "-N", name); err != nil {
			return err
		}
	}
	return s.until("all nodes are idle", "sh", "-c", fmt.Sprintf("test $(sinfo -h -N -t idle -o %%N | sort -u | wc -l) = %d", nodes))
}

func (s *Slurm) path(name string) string { return filepath.Join(s.Dir, name) }

// configure writes slurm.conf: no cgroups, no accounting, everything on loopback.
func (s *Slurm) configure() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	host, _, _ = strings.Cut(host, ".")
	ports, err := freePorts(nodes + 1)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, slurmConf, host, ports[0], s.Dir)
	for n := range nodes {
		fmt.Fprintf(&b, "NodeName=n%d NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=%d RealMemory=8192 Feature=cpu State=UNKNOWN\n",
			n+1, host, ports[n+1], processors)
	}
	fmt.Fprintf(&b, "PartitionName=%s Nodes=n[1-2] Default=YES MaxTime=INFINITE DefaultTime=10 State=UP OverSubscribe=NO\n", Wide)
	fmt.Fprintf(&b, "PartitionName=%s Nodes=n3 PriorityTier=1 PreemptMode=REQUEUE MaxTime=INFINITE DefaultTime=10 State=UP OverSubscribe=NO\n", Low)
	fmt.Fprintf(&b, "PartitionName=%s Nodes=n3 PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE DefaultTime=10 State=UP OverSubscribe=NO\n", High)
	return os.WriteFile(s.Conf(), []byte(b.String()), 0o644)
}

// slurmConf takes the host's name, the controller's port and the directory.
// A requeued job may start again when its credential has expired.
const slurmConf = `ClusterName=e2e
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[2]d
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=%[3]s/munge/socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPidFile=%[3]s/slurmctld.pid
SlurmdPidFile=%[3]s/slurmd.%%n.pid
SlurmctldLogFile=%[3]s/log/slurmctld.log
SlurmdLogFile=%[3]s/log/slurmd.%%n.log
StateSaveLocation=%[3]s/state
SlurmdSpoolDir=%[3]s/spool.%%n
TmpFS=%[3]s/tmp.%%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,bf_resolution=1,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
MinJobAge=600
SlurmctldTimeout=30
SlurmdTimeout=60
InactiveLimit=0
Waittime=0
MessageTimeout=10
`

// freePorts finds ports on loopback that nobody uses.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // together, so that none is found twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Conf is the configuration file, which is all that a client needs.
func (s *Slurm) Conf() string { return s.path("slurm.conf") }

// environ keeps what a surrounding job may have set away from the daemons.
func (s *Slurm) environ() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "HOME=/root", "LANG=C.UTF-8", "SLURM_CONF=" + s.Conf()}
}

// daemon starts one of the servers as a child of this process.
func (s *Slurm) daemon(name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(s.path("log/"+name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.environ(), s.Dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	own(cmd.Process.Pid)
	s.daemons = append(s.daemons, cmd)
	return nil
}

// until repeats a command, at least once, until it succeeds.
func (s *Slurm) until(what, name string, args ...string) error {
	for limit := time.Now().Add(Patience); ; time.Sleep(50 * time.Millisecond) {
		cmd := exec.Command(name, args...)
		cmd.Env = s.environ()
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("not within %v: %s: %w: %s", Patience, what, err, out)
		}
	}
}

// logs is what the daemons had to say last, for a failure's report.
func (s *Slurm) logs() string {
	var b strings.Builder
	files, _ := filepath.Glob(s.path("log/*"))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if len(lines) > 15 {
			lines = lines[len(lines)-15:]
		}
		fmt.Fprintf(&b, "--- %s\n%s\n", filepath.Base(f), strings.Join(lines, "\n"))
	}
	return b.String()
}

// Close ends the daemons, the last started first, then whatever a job has left
// below this process.
func (s *Slurm) Close() error {
	for i := len(s.daemons) - 1; i >= 0; i-- {
		cmd := s.daemons[i]
		done := make(chan struct{})
		go func() { cmd.Wait(); close(done) }()
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-done
		}
		disown(cmd.Process.Pid)
	}
	s.daemons = nil
	err := KillAll()
	return errors.Join(err, os.RemoveAll(s.Dir))
}
