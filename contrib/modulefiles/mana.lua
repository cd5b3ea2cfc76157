-- Module file of mana for Lmod. `make install` puts it to
-- PREFIX/share/modulefiles/mana/VERSION.lua; anywhere else set root by hand.
local here = myFileName()
local root = here:match("^(.*)/share/modulefiles/mana/[^/]*$") or "/usr/local"

help([[
Transparent checkpoint and restart of MPI jobs and ordinary programs, with the
command lines of DMTCP and MANA.

    mana_doctor ./a.out                 what will and won't work here
    mana_coordinator -i 300
    srun -n 64 mana_launch ./a.out
    srun -n 64 mana_restart
]])
whatis("Name: mana")
whatis("Description: transparent checkpoint and restart for MPI jobs and Linux programs")

conflict("dmtcp")

setenv("MANA_ROOT", root)
setenv("DMTCP_ROOT", root)
prepend_path("PATH", pathJoin(root, "bin"))
prepend_path("MANPATH", pathJoin(root, "share/man"))
