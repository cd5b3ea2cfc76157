package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"mana/cli"
	"mana/launch"
	"mana/wire"
)

// volatile are the file systems that do not outlive a reboot (statfs(2)).
var volatile = map[int64]string{0x01021994: "tmpfs", 0x858458f6: "ramfs"}

// littleSpace is less than almost any job's images take.
const littleSpace = 1 << 30

// directory examines where the images would go.
func (o *options) directory() []finding {
	f := finding{Name: "ckptdir", Status: ok}
	dir, err := launch.Directory(o.Ckptdir, false)
	if err != nil {
		return []finding{{f.Name, fail, err.Error(), "make the directory, or name another --ckptdir"}}
	}
	out := []finding{durable(dir)}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return append(out, finding{f.Name, fail, fmt.Sprintf("file system of %s: %v", dir, err), ""})
	}
	free := int64(st.Bavail) * st.Bsize
	f.Text = fmt.Sprintf("%s has %.1f GiB free (images are about as large as the memory in use; one generation more than --keep has to fit)", dir, float64(free)/(1<<30))
	if free < littleSpace {
		f.Status, f.Mend = warn, "make room, or name another --ckptdir"
	}
	if name := volatile[int64(st.Type)]; name != "" {
		out = append(out, finding{"ckptdir", warn, dir + " is on " + name + ": images take memory and are gone after a reboot", "name a --ckptdir on a disk or a shared file system"})
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err == nil && limit.Cur != unix.RLIM_INFINITY {
		out = append(out, finding{"file size", warn, fmt.Sprintf("files, images too, are limited to %.1f GiB", float64(limit.Cur)/(1<<30)), "ulimit -f unlimited"})
	}
	return append(out, f)
}

// durable writes and syncs a file in the directory, and tries a hard link.
func durable(dir string) finding {
	const size = 4 << 20
	f := finding{"durability", fail, "", "name another --ckptdir"}
	tmp, err := os.CreateTemp(dir, ".mana-doctor-")
	if err != nil {
		f.Text = fmt.Sprintf("cannot write an image: %v", err)
		return f
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	begun := time.Now()
	_, err = tmp.Write(make([]byte, size))
	if err == nil {
		err = tmp.Sync()
	}
	if err != nil {
		f.Text = fmt.Sprintf("cannot write an image: %v", err)
		return f
	}
	took := time.Since(begun)
	text := fmt.Sprintf("4 MiB were written and synced in %v", took.Round(time.Millisecond/10))
	link := tmp.Name() + ".link"
	if err := os.Link(tmp.Name(), link); err != nil {
		return finding{f.Name, ok, text + "; without hard links images are published by symbolic ones", ""}
	}
	os.Remove(link)
	return finding{f.Name, ok, text, ""}
}

// home examines where the coordinator's secret is kept.
func home() finding {
	f := finding{"home", ok, "", ""}
	dir, err := os.UserHomeDir()
	if err == nil {
		probe := filepath.Join(dir, ".mana")
		if _, serr := os.Stat(probe); serr != nil {
			probe = dir
		}
		err = unix.Access(probe, unix.W_OK|unix.X_OK)
		if err != nil {
			err = fmt.Errorf("%s: %w", probe, err)
		}
	}
	switch {
	case err == nil:
		f.Text = dir + " can hold the coordinator's secret"
	case os.Getenv(wire.SecretEnv) != "":
		f.Text = "not writable, but " + wire.SecretEnv + " is set"
	default:
		f = finding{f.Name, fail, fmt.Sprintf("the coordinator's secret cannot be kept: %v", err), "set HOME to a directory of yours, or " + wire.SecretEnv + " to the same long random word for all tools"}
	}
	return f
}

// coordinator looks for the one that was named, or that the information file
// names; that there is none yet is no fault.
func (o *options) coordinator() finding {
	f := finding{Name: "coordinator", Status: ok}
	host, port := o.Host, 0
	if o.Host == "" && o.Port == "" {
		var err error
		if host, port, err = cli.ReadRC(); err != nil {
			return o.noCoordinator(f)
		}
	} else {
		if host == "" {
			host = "127.0.0.1"
		}
		port = cli.DefaultPort
		if o.Port != "" {
			var err error
			if port, err = strconv.Atoi(o.Port); err != nil || port < 1 || port > 65535 {
				return finding{f.Name, fail, fmt.Sprintf("%q is no port number", o.Port), ""}
			}
		}
	}
	where := net.JoinHostPort(host, strconv.Itoa(port))
	c, err := wire.Dial(host, port)
	if err == nil {
		c.Close()
		f.Text = "answers at " + where
		return f
	}
	f.Text = fmt.Sprintf("none answers at %s: %v", where, err)
	switch {
	case o.Host != "" || o.Port != "":
		f.Status, f.Mend = fail, "start it there, or name the right -h and -p"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Status, f.Mend = warn, "mana_coordinator starts a new one; it ends with its last client"
	default:
		f.Status, f.Mend = warn, "look whether the hosts reach each other on that port, or run mana_coordinator anew"
	}
	return f
}

// noCoordinator looks whether one could listen here.
func (o *options) noCoordinator(f finding) finding {
	l, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("MANA_LISTEN"), strconv.Itoa(cli.DefaultPort)))
	if err == nil {
		l.Close()
		f.Text = fmt.Sprintf("none runs yet; it can listen on port %d", cli.DefaultPort)
		return f
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		f.Text = fmt.Sprintf("none runs yet; port %d is somebody else's, it takes another", cli.DefaultPort)
		return f
	}
	return finding{f.Name, fail, fmt.Sprintf("it could not listen: %v", err), "choose another --port or --listen"}
}
