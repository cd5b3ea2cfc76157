# shellcheck shell=bash
# Functions for batch scripts that checkpoint, requeue and restart themselves
# under Slurm. They have the names and the meaning of NERSC's nersc_cr module:
#
#     source cr_functions.sh
#     mana_coordinator -i 3600                  # or, without MPI: start_coordinator -i 3600
#     if [[ $(restart_count) == 0 ]]; then
#         srun mana_launch ./a.out &
#     else
#         srun mana_restart &
#     fi
#     ckpt_command=ckpt_mana                    # or ckpt_dmtcp
#     requeue_job func_trap USR1
#     wait_program $!                           # or just: wait
#
# A script may set before: ckpt_command (what func_trap runs), max_timelimit
# (longest time limit of a requeued job, HH:MM:SS or seconds), ckpt_overhead
# (seconds that a checkpoint may take; by default the N of --signal=B:USR1@N).

# secs2timestr SECONDS prints HH:MM:SS.
secs2timestr() {
	printf '%02d:%02d:%02d\n' $(($1 / 3600)) $(($1 / 60 % 60)) $(($1 % 60))
}

# timestr2secs TIME prints seconds. TIME is SS, MM:SS, HH:MM:SS, or one of
# Slurm's forms with days: D-HH, D-HH:MM, D-HH:MM:SS. What is no time
# (UNLIMITED, empty) fails and prints 0.
timestr2secs() {
	local time=$1 days=0
	local -a part
	if ! [[ $time =~ ^([0-9]+-)?[0-9]+(:[0-9]+){0,2}$ ]]; then
		echo 0
		return 1
	fi
	if [[ $time == *-* ]]; then
		days=${time%%-*}
		IFS=: read -ra part <<< "${time#*-}"
		while ((${#part[@]} < 3)); do part+=(0); done
	else
		IFS=: read -ra part <<< "$time"
		while ((${#part[@]} < 3)); do part=(0 "${part[@]}"); done
	fi
	echo $((10#$days * 86400 + 10#${part[0]} * 3600 + 10#${part[1]} * 60 + 10#${part[2]}))
}

# restart_count prints how often Slurm has requeued this job.
restart_count() { echo "${SLURM_RESTART_COUNT:-0}"; }

# checkpoint_exists tells whether there is something to restart from. A job
# may be requeued before its first checkpoint; it then has to start afresh.
checkpoint_exists() { [[ -e ${1:-.}/dmtcp_restart_script.sh ]]; }

# dmtcp_command_job HOST PORT writes ./dmtcp_command.$SLURM_JOB_ID, by which
# anybody who is logged in as the job's user reaches its coordinator.
dmtcp_command_job() {
	local file=dmtcp_command.$SLURM_JOB_ID
	local temporary=$file.$$
	{
		echo '#!/bin/bash'
		printf 'export PATH=%q DMTCP_COORD_HOST=%q DMTCP_COORD_PORT=%q\n' \
			"$PATH" "$1" "$2"
		# shellcheck disable=SC2016 # for the file, not for here
		echo 'exec dmtcp_command "$@"'
	} > "$temporary" && chmod a+rx "$temporary" && mv -f "$temporary" "$file"
}

# start_coordinator [OPTIONS of dmtcp_coordinator] starts the coordinator of a
# job without MPI on a free port of this node, and exports its place.
start_coordinator() {
	local port_file
	if ! command -v dmtcp_coordinator > /dev/null; then
		echo "start_coordinator: no dmtcp_coordinator in PATH" >&2
		exit 1
	fi
	# Not the name of the file that dmtcp_command_job writes: after a requeue
	# that one is there already.
	port_file=$(mktemp "./.coordinator.$SLURM_JOB_ID.XXXXXX") || return
	if ! dmtcp_coordinator --daemon --exit-on-last -p 0 --port-file "$port_file" "$@" > /dev/null; then
		rm -f "$port_file"
		echo "start_coordinator: the coordinator did not start" >&2
		return 1
	fi
	DMTCP_COORD_HOST=$(hostname)
	DMTCP_COORD_PORT=$(< "$port_file")
	rm -f "$port_file"
	export DMTCP_COORD_HOST DMTCP_COORD_PORT
	dmtcp_command_job "$DMTCP_COORD_HOST" "$DMTCP_COORD_PORT"
}

# _cr_command runs a command of the job's coordinator: the one that
# start_coordinator started, or else mana_coordinator's.
_cr_command() {
	if [[ -n ${DMTCP_COORD_PORT:-} ]]; then
		dmtcp_command "$@"
	else
		mana_status "$@"
	fi
}

# _cr_status prints the number of processes and yes (they run) or no (a
# checkpoint or restart is under way), or fails without a coordinator.
_cr_status() {
	local text
	text=$(_cr_command --status 2> /dev/null) || return
	[[ $text =~ NUM_PEERS=([0-9]+) ]] && echo -n "${BASH_REMATCH[1]} "
	[[ $text =~ RUNNING=(yes|no) ]] && echo "${BASH_REMATCH[1]}"
}

# wait_coord waits until the checkpoint under way, if any, is complete. It
# fails when nothing is left that could be checkpointed.
wait_coord() {
	local begin=$SECONDS peers running
	while read -r peers running < <(_cr_status) && ((peers > 0)); do
		if [[ $running == yes ]]; then
			echo "checkpointing completed, overhead = $((SECONDS - begin)) seconds"
			return 0
		fi
		sleep 1
	done
	echo "no running job to checkpoint"
	return 1
}

# wait_coord2 is wait_coord, under the name that scripts for MPI jobs use.
wait_coord2() { wait_coord; }

# _cr_checkpoint takes a checkpoint and returns when it is safely on disk, or
# fails. A periodic one that is under way is waited for first.
_cr_checkpoint() {
	local begin=$SECONDS
	for _ in 1 2 3; do
		if ! wait_coord > /dev/null; then
			echo "no running job to checkpoint"
			return 1
		fi
		if _cr_command --bcheckpoint; then
			echo "checkpointing completed, overhead = $((SECONDS - begin)) seconds"
			return 0
		fi
	done
	return 1
}

# ckpt_dmtcp takes a checkpoint of a job that start_coordinator began,
# ckpt_mana one of a job under mana_coordinator. Both are complete on return.
ckpt_dmtcp() { _cr_checkpoint; }
ckpt_mana() { _cr_checkpoint; }

# _cr_warning_time prints the N of --signal=…@N in this job's script, if it is
# one and can be read.
_cr_warning_time() {
	sed -n 's/^#SBATCH.*--signal[= ][^@]*@\([0-9]*\).*/\1/p' "$0" 2> /dev/null | tail -n 1
}

# parse_job works out how much of the wanted total time, which the job's
# comment tells (--comment=48:00:00), will be left after this run, and notes
# that in the comment. It sets remainingTime, and requestTime (minutes) for
# the next run.
parse_job() {
	local wanted limit longest
	wanted=$(timestr2secs "$(squeue -h -j "$SLURM_JOB_ID" -o %k)")
	if ! limit=$(timestr2secs "$(squeue -h -j "$SLURM_JOB_ID" -o %l)"); then
		limit=$wanted # unlimited
	fi
	ckpt_overhead=${ckpt_overhead:-$(_cr_warning_time)}
	ckpt_overhead=${ckpt_overhead:-60}
	longest=$(timestr2secs "${max_timelimit:-172800}")
	remainingTimeSec=$((wanted - limit + ckpt_overhead))
	if ((wanted <= limit)); then remainingTimeSec=0; fi
	remainingTime=$(secs2timestr "$remainingTimeSec")
	requestTime=$((remainingTimeSec < longest ? remainingTimeSec : longest))
	requestTime=$(((requestTime + 59) / 60))
	echo "time remaining \$remainingTime: $remainingTime"
	echo "next timelimit \$requestTime: $requestTime"
	if ((remainingTimeSec > 0)); then
		scontrol update JobId="$SLURM_JOB_ID" Comment="$remainingTime"
	fi
}

# requeue_job FUNCTION SIGNAL... arranges that FUNCTION runs when Slurm
# announces the end of the time limit by SIGNAL, as long as the job's wanted
# total time is not used up; after that the signal is ignored, so that it does
# not end the script before its time. Call it when the program runs in the
# background, then wait.
requeue_job() {
	local function=$1 signal
	shift
	parse_job
	if ((remainingTimeSec <= 0)); then
		echo "no more job requeues,done!"
		trap '' "$@"
		return
	fi
	for signal; do
		# shellcheck disable=SC2064 # both are known now
		trap "$function $signal" "$signal"
	done
}

# func_trap takes a checkpoint and requeues the job. When the checkpoint fails
# the job goes back to the one before, if there is one. When there is nothing
# left to save, because the program has ended, or nothing to come back to, the
# job goes on to its end.
func_trap() {
	local saved=yes
	_cr_trapped=yes
	${ckpt_command:-} >&2 || saved=no
	if [[ $saved == no ]] && ! _cr_status > /dev/null; then
		echo "func_trap: the program has ended, no requeue" >&2
		return
	fi
	if [[ $saved == no ]] && ! checkpoint_exists "${DMTCP_CHECKPOINT_DIR:-.}"; then
		echo "func_trap: no checkpoint could be taken and there is none from before, no requeue" >&2
		_cr_wait_children
		return
	fi
	# The requeue sends SIGTERM to this script too, which has one thing left to do.
	trap '' TERM
	if scontrol requeue "$SLURM_JOB_ID"; then
		scontrol update JobId="$SLURM_JOB_ID" TimeLimit="${requestTime:-60}"
	fi
	trap - TERM
	# If this script ended first, Slurm could lose sight of the program, which
	# would run on beside the restarted one.
	_cr_wait_children
}

# _cr_wait_children waits where the script would end, the signal having ended
# its own wait. Unlike a plain wait it leaves the statuses to be asked for.
_cr_wait_children() {
	local pid
	while read -r pid; do wait "$pid"; done < <(jobs -p)
	return 0
}

# wait_program PID waits until the program in the background has ended, however
# many signals are trapped meanwhile, and returns its status.
wait_program() {
	local status
	while
		_cr_trapped=
		wait "$1"
		status=$?
		[[ -n $_cr_trapped ]]
	do :; done
	return "$status"
}

# wait_pid PID waits for the end of a process that need not be a child.
wait_pid() {
	while [[ -e /proc/$1 ]]; do sleep 1; done
}
