#!/bin/bash
# script.sh STEPS PAUSE_US: a shell script with pipelines, a subshell, a background
# job and a here document, as job scripts have them.
steps=$1 pause=$(awk "BEGIN { print $2 / 1e6 }")
sum=0
for ((k = 0; k < steps; k++)); do
	n=$(seq 1 $((k + 10)) | awk '{ s += $1 } END { print s }')
	m=$(cat <<-END | tr -d '\n'
		$n
	END
	)
	[ "$m" = "$n" ] || { echo "FAIL $m is not $n" >&2; exit 3; }
	(exit 7) &
	wait $!
	[ $? = 7 ] || { echo "FAIL status of a background job" >&2; exit 3; }
	sum=$(((sum * 31 + n) % 1000003))
	echo "step $k"
	[ -e "$MANAE2E_HURRY" ] || sleep "$pause"
done
echo "RESULT script steps=$steps $sum"
