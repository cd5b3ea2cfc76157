#!/bin/sh
# wrapper: what users put before a program: settings by rank, a change of directory, then the program in the shell's place.
rank=${OMPI_COMM_WORLD_RANK-$PMI_RANK}
mkdir -p "wrapped.$rank" && cd "wrapped.$rank" || exit 1
MY_SETTING=$(printf '%s' "for rank $rank")
export MY_SETTING
ulimit -c 0
exec nice -n 1 "$@"
