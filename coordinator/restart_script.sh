#!/bin/bash
# Restarts the computation from its last checkpoint.
# Number of hosts in the computation = {{len .Hosts}}
# Number of processes in the computation = {{.Processes}}

ckpt_timestamp={{q .Timestamp}}
remote_shell_cmd="ssh"
coord_host=${DMTCP_COORD_HOST:-{{.CoordHost}}}
coord_port=${DMTCP_COORD_PORT:-{{.CoordPort}}}
checkpoint_interval=${DMTCP_CHECKPOINT_INTERVAL:-{{.Interval}}}
restart_dir=$DMTCP_RESTART_DIR
ckpt_dir=${DMTCP_CKPT_DIR:-$DMTCP_CHECKPOINT_DIR}
coord_logfile=${DMTCP_COORD_LOGFILE:-$DMTCP_COORD_LOG_FILENAME}
dmt_rstr_cmd={{q .Command}}
[ -x "$dmt_rstr_cmd" ] || dmt_rstr_cmd=$(basename "$dmt_rstr_cmd")
script_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
	cat <<END
Usage: $(basename "$0") [OPTIONS]
  -h, --host, --coord-host HOST   Host of the coordinator (DMTCP_COORD_HOST)
  -p, --port, --coord-port PORT   Port of the coordinator (DMTCP_COORD_PORT)
      --hostfile FILE             Hosts to restart on, one per line
  -d, --restartdir DIR            Where the images are (DMTCP_RESTART_DIR)
      --ckptdir DIR               Where future images go (DMTCP_CKPT_DIR)
  -t, --tmpdir DIR                Accepted for compatibility
  -i, --interval SECONDS          Checkpoint interval (DMTCP_CHECKPOINT_INTERVAL)
      --no-strict-checking        Do not check who owns the images
      --coord-logfile FILE        Log file of a coordinator that is started
                                  (DMTCP_COORD_LOGFILE)
      --help                      Print this help
{{if .MPI}}Run by srun or mpirun it restarts one rank; else it starts them itself by srun
or mpirun, or what MANA_LAUNCHER says ("mpirun -hostfile x -n {{.Ranks}}").
{{end}}END
}

die() {
	echo "$(basename "$0"): $1" >&2
	exit 1
}

checking=()
hostfile=
while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	--no-strict-checking) checking=("$1"); shift; continue ;;
	esac
	if [ $# -lt 2 ]; then usage >&2; exit 1; fi
	case $1 in
	-h|--host|--coord-host) coord_host=$2 ;;
	-p|--port|--coord-port) coord_port=$2 ;;
	--hostfile) hostfile=$2 ;;
	-d|--restartdir) restart_dir=$2 ;;
	--ckptdir) ckpt_dir=$2 ;;
	--coord-logfile) coord_logfile=$2 ;;
	-t|--tmpdir) ;;
	-i|--interval) checkpoint_interval=$2 ;;
	*) echo "$(basename "$0"): unknown option $1" >&2; usage >&2; exit 1 ;;
	esac
	shift 2
done
[ -z "$hostfile" ] || [ -r "$hostfile" ] || die "cannot read the host file $hostfile"

# Elsewhere a relative path would mean something else.
absolute() {
	case $1 in
	""|/*) echo "$1" ;;
	*) echo "$PWD/$1" ;;
	esac
}
restart_dir=$(absolute "$restart_dir")
ckpt_dir=$(absolute "$ckpt_dir")
coord_logfile=$(absolute "$coord_logfile")

# set_options fills options with what dmtcp_restart and mana_restart get.
set_options() {
	options=("${checking[@]}")
	[ -z "$ckpt_dir" ] || options+=(--ckptdir "$ckpt_dir")
	[ -z "$coord_logfile" ] || options+=(--coord-logfile "$coord_logfile")
	options+=(--coord-host "$coord_host" --coord-port "$coord_port" --interval "$checkpoint_interval")
}
set_options
{{if or .MPI (gt (len .Hosts) 1)}}
is_local() {
	case $1 in
	localhost|127.0.0.1|"$(hostname)"|"$(hostname -s 2>/dev/null)"|"$(hostname -f 2>/dev/null)") return 0 ;;
	esac
	return 1
}

tool() { echo "${dmt_rstr_cmd%{{if .MPI}}mana_restart{{else}}dmtcp_restart{{end}}}$1"; }

# Whoever joins one by one needs a coordinator that is there before.
started=
need_coordinator() {
	if "$(tool dmtcp_command)" --coord-host "$coord_host" --coord-port "$coord_port" --status >/dev/null 2>&1; then return; fi
	is_local "$coord_host" || die "no coordinator answers at $coord_host:$coord_port"
	# Known to the other hosts too, which may not share the home directory.
	export MANA_SECRET=${MANA_SECRET:-$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')}
	local file
	file=$(mktemp) || exit 1
	"$(tool dmtcp_coordinator)" --daemon --exit-on-last --quiet --coord-port "$coord_port" --port-file "$file" \
		${coord_logfile:+--coord-logfile "$coord_logfile"} || die "no coordinator could be started on port $coord_port"
	coord_port=$(cat "$file")
	rm -f "$file"
	started=yes
	set_options
}

# give_up ends a coordinator of ours that nobody has come to.
give_up() {
	if [ -n "$started" ] && "$(tool dmtcp_command)" -h "$coord_host" -p "$coord_port" -s 2>/dev/null | grep -q NUM_PEERS=0; then
		"$(tool dmtcp_command)" -h "$coord_host" -p "$coord_port" --quit
	fi
}
{{end}}{{if .MPI}}
default_dir={{q .Dir}}
[ -d "$default_dir" ] || default_dir=$script_dir
rank=("$dmt_rstr_cmd" "${options[@]}" --restartdir "${restart_dir:-$default_dir}")
# In the batch script itself Slurm sets SLURM_PROCID too, but no step.
if [ -n "$PMI_RANK$OMPI_COMM_WORLD_RANK$PMIX_RANK$MPI_RANKID$SLURM_STEP_ID" ]; then exec "${rank[@]}"; fi

if [ -n "$MANA_LAUNCHER" ]; then
	read -ra launcher <<< "$MANA_LAUNCHER"
elif [ -n "$SLURM_JOB_ID" ] && command -v srun >/dev/null; then
	launcher=(srun -n {{.Ranks}})
else
	launcher=(mpirun)
	[ -z "$hostfile" ] || launcher+=(-hostfile "$hostfile")
	launcher+=(-n {{.Ranks}})
fi
need_coordinator
rank=("$dmt_rstr_cmd" "${options[@]}" --restartdir "${restart_dir:-$default_dir}")
"${launcher[@]}" "${rank[@]}"
status=$?
give_up
exit $status
{{else}}
# where prints where an image is now: in the directory that was named, at its
# place, or beside this script if all of it has been moved.
where() {
	local name
	name=$(basename "$1")
	if [ -n "$restart_dir" ]; then echo "$restart_dir/$name"
	elif [ ! -e "$1" ] && [ -e "$script_dir/$name" ]; then echo "$script_dir/$name"
	else echo "$1"
	fi
}

files=()
take() {
	files=()
	local f
	for f in "$@"; do files+=("$(where "$f")"); done
}
{{if eq (len .Hosts) 1}}{{with index .Hosts 0}}
given_ckpt_files=({{range .Files}} {{q .}}{{end}} )
{{end}}take "${given_ckpt_files[@]}"
exec "$dmt_rstr_cmd" "${options[@]}" "${files[@]}"
{{else}}
hosts=({{range .Hosts}} {{q .Name}}{{end}} )
in_slurm=
if [ -n "$SLURM_JOB_ID" ] && command -v srun >/dev/null && command -v scontrol >/dev/null; then in_slurm=yes; fi
if [ -n "$hostfile" ]; then
	mapfile -t hosts < <(sed 's/#.*//; s/[[:space:]:].*//; /^$/d' "$hostfile")
	[ ${#hosts[@]} -gt 0 ] || die "$hostfile names no host"
elif [ -n "$in_slurm" ]; then
	mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
fi

# To the other hosts this one is not localhost.
if is_local "$coord_host"; then coord_host=$(hostname); fi
set_options
need_coordinator

# quoted prints its arguments as words of any remote shell.
quoted() {
	local a
	for a in "$@"; do printf "'%s' " "${a//\'/\'\\\'\'}"; done
}

remote() {
	local host=$1
	shift
	if [ -n "$in_slurm" ]; then
		srun --overlap --nodes=1 --ntasks=1 --nodelist="$host" "$@" </dev/null
	else
		# The secret must not be seen among the arguments of a process.
		echo "$MANA_SECRET" | $remote_shell_cmd "$host" "exec /bin/sh -c $(quoted \
			'read -r s; [ -z "$s" ] || export MANA_SECRET="$s"; exec "$@"' sh "$@")"
	fi
}

local_files=()
pids=()
n=0
# restart_on takes the files of the next host of the computation. Fewer hosts
# than it had get the files of several.
restart_on() {
	local host=${hosts[n % ${#hosts[@]}]}
	n=$((n + 1))
	take "$@"
	if is_local "$host"; then
		local_files+=("${files[@]}")
		return
	fi
	remote "$host" "$dmt_rstr_cmd" --join-coordinator "${options[@]}" "${files[@]}" &
	pids+=($!)
}
{{range .Hosts}}restart_on{{range .Files}} {{q .}}{{end}}
{{end}}
status=0
if [ ${#local_files[@]} -gt 0 ]; then
	"$dmt_rstr_cmd" --join-coordinator "${options[@]}" "${local_files[@]}"
	status=$?
fi
for pid in "${pids[@]}"; do
	wait "$pid" || { remote_status=$?; [ $status -ne 0 ] || status=$remote_status; }
done
give_up
exit $status
{{end}}{{end}}
