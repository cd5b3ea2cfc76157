import os

from spack_repo.builtin.build_systems.makefile import MakefilePackage

from spack.package import *


class Mana(MakefilePackage):
    """Transparent checkpoint and restart for MPI jobs and ordinary Linux
    programs: no recompiling, no relinking, no root. A drop-in for the command
    lines of DMTCP and MANA, in one static binary."""

    # The clone that this recipe is part of.
    git = "file://" + os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 6))

    version("main", branch="main")

    depends_on("c", type="build")
    depends_on("gmake", type="build")
    depends_on("go@1.24:", type="build")

    # Both install the same commands.
    conflicts("^dmtcp")
    conflicts("platform=darwin")
    conflicts("target=aarch64:", msg="x86-64 only")

    def setup_build_environment(self, env):
        env.set("GOMODCACHE", join_path(self.stage.path, "go"))
        env.set("GOFLAGS", "-modcacherw")

    def build(self, spec, prefix):
        make("build")

    def install(self, spec, prefix):
        make("install", "PREFIX={0}".format(prefix))

    def setup_run_environment(self, env):
        env.set("MANA_ROOT", self.prefix)
        env.set("DMTCP_ROOT", self.prefix)
