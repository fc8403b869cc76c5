# Sourced by the scripts beside it: where this installation has its program, settings and data.
# What is named is named from where we stand.
[ -n "${LARES_CONFIG:-}" ] && LARES_CONFIG=$(readlink -m "$LARES_CONFIG")
[ -n "${LARES_DATA:-}" ] && LARES_DATA=$(readlink -m "$LARES_DATA")
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
cd "$here" || exit 1

if [ -z "${LARES_CONFIG:-}" ]; then
  for file in lares.yaml config/config.yaml /etc/lares/lares.yaml; do
    [ -e "$file" ] && LARES_CONFIG=$(readlink -f "$file") && break
  done
fi
if [ -z "${LARES_DATA:-}" ]; then
  case "${LARES_CONFIG:-}" in
    /etc/*) LARES_DATA=/var/lib/lares ;;
    *) LARES_DATA=$here/data ;;
  esac
fi
[ -n "${LARES_CONFIG:-}" ] && export LARES_CONFIG
export LARES_DATA
