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
dmt_rstr_cmd={{q .Command}}
[ -x "$dmt_rstr_cmd" ] || dmt_rstr_cmd=$(basename "$dmt_rstr_cmd")

usage() {
	cat <<END
Usage: $(basename "$0") [OPTIONS]
  -h, --host, --coord-host HOST   Host of the coordinator
  -p, --port, --coord-port PORT   Port of the coordinator
      --hostfile FILE             Hosts to restart on, one per line
  -d, --restartdir DIR            Where the images are
      --ckptdir DIR               Where future images go
  -t, --tmpdir DIR                Accepted for compatibility
  -i, --interval SECONDS          Checkpoint interval
      --no-strict-checking        Do not check who owns the images
      --coord-logfile FILE        Log file of a coordinator that is started
      --help                      Print this help
END
}

options=()
hostfile=
while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	--no-strict-checking) options+=("$1"); shift; continue ;;
	esac
	if [ $# -lt 2 ]; then usage >&2; exit 1; fi
	case $1 in
	-h|--host|--coord-host) coord_host=$2 ;;
	-p|--port|--coord-port) coord_port=$2 ;;
	--hostfile) hostfile=$2 ;;
	-d|--restartdir) restart_dir=$2 ;;
	--ckptdir|--coord-logfile) options+=("$1" "$2") ;;
	-t|--tmpdir) ;;
	-i|--interval) checkpoint_interval=$2 ;;
	*) echo "$(basename "$0"): unknown option $1" >&2; usage >&2; exit 1 ;;
	esac
	shift 2
done
options+=(--coord-host "$coord_host" --coord-port "$coord_port" --interval "$checkpoint_interval")
{{if .MPI}}
# A rank of an MPI job: run this script, or mana_restart, under srun or mpirun.
default_dir={{q .Dir}}
exec "$dmt_rstr_cmd" "${options[@]}" --restartdir "${restart_dir:-$default_dir}"
{{else}}
# in_dir prints where an image is now.
in_dir() {
	if [ -n "$restart_dir" ]; then echo "$restart_dir/$(basename "$1")"; else echo "$1"; fi
}

files=()
take() {
	files=()
	for f in "$@"; do files+=("$(in_dir "$f")"); done
}
{{if eq (len .Hosts) 1}}{{with index .Hosts 0}}
given_ckpt_files=({{range .Files}} {{q .}}{{end}} )
{{end}}take "${given_ckpt_files[@]}"
exec "$dmt_rstr_cmd" "${options[@]}" "${files[@]}"
{{else}}
hosts=({{range .Hosts}} {{q .Name}}{{end}} )
if [ -n "$hostfile" ]; then mapfile -t hosts < "$hostfile"; fi

# The coordinator has to be there before hosts join it one by one.
join=(--join-coordinator)
local_files=()
n=0
restart_on() {
	local host=${hosts[n]}
	n=$((n + 1))
	take "$@"
	if [ "$host" = "$(hostname)" ] || [ "$host" = localhost ]; then
		local_files=("${files[@]}")
		return
	fi
	$remote_shell_cmd "$host" "$(printf '%q ' "$dmt_rstr_cmd" "${join[@]}" "${options[@]}" "${files[@]}")" &
}
{{range .Hosts}}restart_on{{range .Files}} {{q .}}{{end}}
{{end}}
status=0
if [ ${#local_files[@]} -gt 0 ]; then
	"$dmt_rstr_cmd" "${options[@]}" "${local_files[@]}"
	status=$?
fi
wait
exit $status
{{end}}{{end}}
