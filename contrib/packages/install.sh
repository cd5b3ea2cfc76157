#!/bin/sh
# Installs mana from its tarball, without root: ./install.sh [PREFIX]
# (default $HOME/.local). Nothing outside PREFIX is touched.
set -eu
prefix=${1:-$HOME/.local}
case $prefix in
-*) echo "usage: $0 [PREFIX]" >&2; exit 1 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)
# Binaries that run are replaced, not written over.
(cd "$here" && tar cf - bin share) | (cd "$prefix" && tar xf -)
"$prefix/bin/mana" --version >/dev/null
cat <<END
mana is in $prefix. Either
    export PATH="$prefix/bin:\$PATH"
or
    module use $prefix/share/modulefiles && module load mana
Then try: mana_doctor
END
