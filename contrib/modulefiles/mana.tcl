#%Module1.0
# Module file of mana for Environment Modules. `make install` puts it to
# PREFIX/share/modulefiles/mana/VERSION; anywhere else set root by hand.
set root /usr/local
regexp {^(.*)/share/modulefiles/mana/[^/]*$} $ModulesCurrentModulefile -> root

proc ModulesHelp { } {
    puts stderr {Transparent checkpoint and restart of MPI jobs and ordinary programs, with the
command lines of DMTCP and MANA.

    mana_doctor ./a.out                 what will and won't work here
    mana_coordinator -i 300
    srun -n 64 mana_launch ./a.out
    srun -n 64 mana_restart}
}
module-whatis "transparent checkpoint and restart for MPI jobs and Linux programs"

conflict dmtcp

setenv MANA_ROOT $root
setenv DMTCP_ROOT $root
prepend-path PATH $root/bin
prepend-path MANPATH $root/share/man
