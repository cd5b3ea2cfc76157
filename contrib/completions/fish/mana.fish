# Completion of the dmtcp_* and mana_* tools for fish.

for tool in dmtcp_launch mana_launch
    complete -c $tool -l help -d 'Print the help'
    complete -c $tool -l version -d 'Print the version'
    complete -c $tool -s h -l coord-host -x -d 'Host of the coordinator'
    complete -c $tool -s p -l coord-port -x -d 'Port of the coordinator'
    complete -c $tool -l port-file -r -d 'File to write the port to'
    complete -c $tool -s j -l join-coordinator -d 'Join a coordinator that runs'
    complete -c $tool -l new-coordinator -d 'Start a coordinator'
    complete -c $tool -l any-coordinator -d 'Join a coordinator or start one'
    complete -c $tool -s i -l interval -x -a auto -d 'Seconds between checkpoints'
    complete -c $tool -s c -l ckptdir -x -a '(__fish_complete_directories)' -d 'Directory for images'
    complete -c $tool -l mtbf -x -d 'Mean time between failures, for -i auto'
    complete -c $tool -l keep -x -d 'Generations of images to keep'
    complete -c $tool -l coord-logfile -r -d 'Log file of the coordinator'
    complete -c $tool -s q -l quiet -d 'Print less'
    complete -c $tool -l gzip -d 'Compress images'
    complete -c $tool -l no-gzip -d 'Do not compress images'
    complete -c $tool -l zstd -d 'Compress images by zstd'
    complete -c $tool -l xz -d 'Compress images by xz'
    complete -c $tool -l enable-unique-checkpoint-filenames -d 'A directory for each checkpoint, keep all'
    complete -c $tool -l disable-unique-checkpoint-filenames -d 'Replace a checkpoint by the next'
    complete -c $tool -l modify-env -d 'Apply dmtcp_env.txt at a restart'
    complete -c $tool -l pathvirt -d 'Apply DMTCP_PATH_MAPPING at a restart'
    complete -c $tool -l checkpoint-open-files -d 'Save open files too'
    complete -c $tool -l allow-file-overwrite -d 'Replace changed files by saved ones'
    complete -c $tool -x -a '(__fish_complete_subcommand)'
end

for tool in dmtcp_restart mana_restart
    complete -c $tool -l help -d 'Print the help'
    complete -c $tool -l version -d 'Print the version'
    complete -c $tool -s h -l coord-host -x -d 'Host of the coordinator'
    complete -c $tool -s p -l coord-port -x -d 'Port of the coordinator'
    complete -c $tool -l port-file -r -d 'File to write the port to'
    complete -c $tool -s j -l join-coordinator -d 'Join a coordinator that runs'
    complete -c $tool -l new-coordinator -d 'Start a coordinator'
    complete -c $tool -l any-coordinator -d 'Join a coordinator or start one'
    complete -c $tool -s i -l interval -x -a auto -d 'Seconds between checkpoints'
    complete -c $tool -s c -l ckptdir -x -a '(__fish_complete_directories)' -d 'Directory for images'
    complete -c $tool -l mtbf -x -d 'Mean time between failures, for -i auto'
    complete -c $tool -l keep -x -d 'Generations of images to keep'
    complete -c $tool -l coord-logfile -r -d 'Log file of the coordinator'
    complete -c $tool -s q -l quiet -d 'Print less'
    complete -c $tool -l gzip -d 'Compress images'
    complete -c $tool -l no-gzip -d 'Do not compress images'
    complete -c $tool -l zstd -d 'Compress images by zstd'
    complete -c $tool -l xz -d 'Compress images by xz'
    complete -c $tool -s r -l restartdir -x -a '(__fish_complete_directories)' -d 'Directory of the images'
    complete -c $tool -l from -x -a latest -d 'Generation to restart from'
    complete -c $tool -l no-strict-checking -d 'Do not check who owns the images'
    complete -c $tool -l no-truncate -d 'Leave grown files alone'
    complete -c $tool -x -a '(__fish_complete_suffix .dmtcp)'
end

for tool in dmtcp_coordinator mana_coordinator mana_start_coordinator
    complete -c $tool -l help -d 'Print the help'
    complete -c $tool -l version -d 'Print the version'
    complete -c $tool -s p -l port -x -d 'Port to listen on'
    complete -c $tool -l port-file -r -d 'File to write the port to'
    complete -c $tool -l status-file -r -d 'File to write host and port to'
    complete -c $tool -s c -l ckptdir -x -a '(__fish_complete_directories)' -d 'Directory for the restart script'
    complete -c $tool -s t -l tmpdir -x -a '(__fish_complete_directories)' -d 'Directory for temporary files'
    complete -c $tool -l exit-on-last -d 'Exit with the last client'
    complete -c $tool -l kill-after-ckpt -d 'Kill the computation after each checkpoint'
    complete -c $tool -l timeout -x -d 'Exit after this many seconds'
    complete -c $tool -l stale-timeout -x -d 'Exit after this many seconds without a client'
    complete -c $tool -l daemon -d 'Run in the background'
    complete -c $tool -s i -l interval -x -a auto -d 'Seconds between checkpoints'
    complete -c $tool -l mtbf -x -d 'Mean time between failures, for -i auto'
    complete -c $tool -l keep -x -d 'Generations of images to keep'
    complete -c $tool -l coord-logfile -r -d 'Log file'
    complete -c $tool -l write-kv-data -d 'Write what is known to dmtcp_coordinator_db-*.json'
    complete -c $tool -s q -l quiet -d 'Print less'
    complete -c $tool -l listen -x -d 'Address to listen on'
    complete -c $tool -l restart-wait -x -d 'Seconds that a restart waits for the next process'
    complete -c $tool -f
end

for tool in dmtcp_command mana_status
    complete -c $tool -l help -d 'Print the help'
    complete -c $tool -l version -d 'Print the version'
    complete -c $tool -s h -l coord-host -x -d 'Host of the coordinator'
    complete -c $tool -s p -l coord-port -x -d 'Port of the coordinator'
    complete -c $tool -l json -d 'Answer with one line of JSON'
    complete -c $tool -f
    complete -c $tool -a status -d 'Processes, running or not, interval'
    complete -c $tool -a list -d 'List the processes'
    complete -c $tool -a checkpoint -d 'Start a checkpoint'
    complete -c $tool -a bcheckpoint -d 'Checkpoint and wait'
    complete -c $tool -a kcheckpoint -d 'Checkpoint and kill'
    complete -c $tool -a interval -d 'Set the interval'
    complete -c $tool -a metrics -d 'State as Prometheus reads it'
    complete -c $tool -a watch -d 'Show the state until q'
    complete -c $tool -a kill -d 'Kill the processes'
    complete -c $tool -a quit -d 'Kill the processes and the coordinator'
end

complete -c mana_inspect -l help -d 'Print the help'
complete -c mana_inspect -l version -d 'Print the version'
complete -c mana_inspect -l json -d 'Answer with one line of JSON'
complete -c mana_inspect -l verify -d 'Read all data and compare the checksums'
complete -c mana_inspect -F

complete -c mana_doctor -l help -d 'Print the help'
complete -c mana_doctor -l version -d 'Print the version'
complete -c mana_doctor -s h -l coord-host -x -d 'Host of the coordinator'
complete -c mana_doctor -s p -l coord-port -x -d 'Port of the coordinator'
complete -c mana_doctor -s c -l ckptdir -x -a '(__fish_complete_directories)' -d 'Directory for images'
complete -c mana_doctor -l json -d 'Answer with one line of JSON'
complete -c mana_doctor -s q -l quiet -d 'Only what does not work'
complete -c mana_doctor -x -a '(__fish_complete_subcommand)'

# A role of the one binary is completed as under its own name.
function __mana_role
    set -l words (commandline -opc) (commandline -ct)
    set -l tool mana_$words[2]
    test $words[2] = command; and set tool dmtcp_command
    complete -C "$tool $words[3..-1]"
end
complete -c mana -f
complete -c mana -n __fish_use_subcommand -a 'coordinator launch restart command status inspect doctor nocheckpoint help version'
complete -c mana -n 'not __fish_use_subcommand' -a '(__mana_role)'
