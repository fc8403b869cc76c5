#!/bin/bash
# What an attacker would look for: packages with known holes, secrets where they do not belong, files that others may
# read, services that the network reaches. Reads only, and shows no secret.
usage() {
  cat << 'END'
scripts/security-scan.sh [--offline]

Looks at the packages (npm audit, npm audit signatures), at the files of the program and the logs for secrets, at the
modes of settings, secrets and data, and at what the running service listens to beyond this machine.
Settings and data are those of LARES_CONFIG and LARES_DATA, or the usual ones. Run it as the user of the service, or as
root: what it cannot read it cannot judge.

  --offline   does not ask the registry about packages

Exit: 0 nothing found, 1 something found, 2 wrong call, 3 nothing found but not everything could be looked at.
END
}
offline=
case "$#:${1:-}" in
  0:) ;;
  1:--offline) offline=1 ;;
  1:--help | 1:-h) usage && exit 0 ;;
  *) usage >&2 && exit 2 ;;
esac
. "$(dirname "$(readlink -f "$0")")/places.sh"

found=0
skipped=0
ok() { printf 'ok       %-12s %s\n' "$1" "$2"; }
finding() { printf 'FOUND    %-12s %s\n' "$1" "$2" && found=$((found + 1)); }
skip() { printf 'SKIPPED  %-12s %s\n' "$1" "$2" && skipped=$((skipped + 1)); }
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT

# --- Packages

audit() {
  local say
  say=$(timeout 120 npm audit --json 2> /dev/null | node_modules/.bin/node -e '
    let text = "";
    process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => {
      try {
        const counts = JSON.parse(text).metadata.vulnerabilities;
        const kinds = ["critical", "high", "moderate", "low"].filter((kind) => counts[kind] > 0);
        console.log(kinds.length === 0 ? "none" : kinds.map((kind) => `${counts[kind]} ${kind}`).join(", "));
      } catch {}
    });')
  case "$say" in
    '') skip packages 'the registry did not answer npm audit' ;;
    none) ok packages 'no known hole in any package (npm audit)' ;;
    *) finding packages "known holes: $say; see: npm audit" ;;
  esac
  if say=$(timeout 300 npm audit signatures 2>&1); then
    ok packages 'the registry signed every package that is installed (npm audit signatures)'
  elif grep -qi 'invalid\|missing' <<< "$say"; then
    finding packages 'a package is not as the registry signed it; see: npm audit signatures'
  else
    skip packages 'the registry did not answer npm audit signatures'
  fi
}
if [ -n "$offline" ]; then skip packages 'not asked (--offline)'; else audit; fi

# --- Secrets

beside=$(dirname "${LARES_CONFIG:-$here/lares.yaml}")
secret_files=("$beside/lares.env" "$beside/.env" "$beside/secrets.yaml" /etc/presence-monitoring.env "$LARES_DATA/api-token")
[ -n "${LARES_ENV_FILE:-}" ] && secret_files+=("$LARES_ENV_FILE")
word='(pass(word|wd|phrase)?|token|secret|api_?key|private_?key|local_?key|pin)'

# The secrets of this house, one a line; short ones would be found everywhere.
{
  for file in "${secret_files[@]}"; do
    [ -r "$file" ] || continue
    case "$file" in
      *api-token) cat "$file" ;;
      *) sed -nE "s/^[[:space:]]*(export[[:space:]]+)?[A-Za-z0-9_.-]+[[:space:]]*[=:][[:space:]]*//p" "$file" ;;
    esac
  done
  if [ -r "${LARES_CONFIG:-}" ]; then
    sed -nE "s/^.*[\"'[:space:]{_]${word}[\"']?:[[:space:]]+([^!{},#]*[^!{},# ]).*/\3/Ip" "$LARES_CONFIG"
    grep -oE '://[^/@[:space:]]+@' "$LARES_CONFIG" | sed -E 's#^://[^:]*:?##; s/@$//'
  fi
} 2> /dev/null | tr -d '\r' | sed -E "s/^[\"']//; s/[\"'][[:space:]]*$//" | grep -E '^.{8,}$' | grep -vE '^(https?|rtsps?|mqtts?)://[^@]*$' |
  sort -u > "$scratch/known"

# Secrets by their looks, in any file.
shapes='-----BEGIN [A-Z ]*PRIVATE KEY-----|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20}'
shapes+='|npm_[A-Za-z0-9]{36}|xox[abprs]-[A-Za-z0-9-]{20}|AIza[A-Za-z0-9_-]{35}'
shapes+='|eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}'
# In a log also a login in an address, or a value after such a word.
said="$shapes|://[^/@[:space:]:]+:[^/@[:space:]]+@|${word}[\"']?[=:] ?[\"']?[^]\"'[:space:]\[]{8,}"

# Names each place in which standard input has a secret: `name:line what`.
search() {
  local name=$1 pattern=$2
  # The settings themselves and the files for secrets may hold them; their modes are looked at below.
  tee "$scratch/text" | grep -anoE -e "$pattern" | cut -d: -f1 | sort -nu | sed "s|.*|$name:& looks like a secret|"
  [ -s "$scratch/known" ] && grep -anF -f "$scratch/known" "$scratch/text" | cut -d: -f1 | sed "s|.*|$name:& holds a secret of this house|"
}

tree() { if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then git ls-files -z; else
  find . \( -name node_modules -o -path ./data -o -name .git \) -prune -o -type f -printf '%P\0'; fi; }
is_secret_file() {
  local one
  for one in "${secret_files[@]}" "${LARES_CONFIG:-}"; do [ "$(readlink -f "$1")" = "$(readlink -f "$one")" ] && return 0; done
  return 1
}

tree > "$scratch/tree"
# A secret that stands in many files of the program is a word that everybody tries first.
while IFS= read -r secret; do
  if [ "$(xargs -0 -r grep -lIF -e "$secret" -- < "$scratch/tree" 2> /dev/null | wc -l)" -ge 5 ]; then
    finding secrets 'a password of this house is an everyday word; take a better one' >&3
  else
    printf '%s\n' "$secret"
  fi
done 3>&1 < "$scratch/known" > "$scratch/rare"
mv "$scratch/rare" "$scratch/known"
{ xargs -0 -r grep -lIE -e "$shapes" -- < "$scratch/tree"
  [ -s "$scratch/known" ] && xargs -0 -r grep -lIF -f "$scratch/known" -- < "$scratch/tree"; } 2> /dev/null | sort -u > "$scratch/hits"
before=$found
while IFS= read -r file; do
  is_secret_file "$file" && continue
  while IFS= read -r place; do finding program "$place"; done < <(search "$file" "$shapes" < "$file")
done < "$scratch/hits"
for file in "${secret_files[@]}"; do
  [ -e "$file" ] && git ls-files --error-unmatch "$file" > /dev/null 2>&1 && finding program "$file is in the repository, and everybody who has that has its secrets"
done
[ "$found" -eq "$before" ] && ok program "no secret in $(tr -cd '\0' < "$scratch/tree" | wc -c) files of the program"

before=$found
count=0
for file in "$LARES_DATA"/logs/*.log* "$LARES_DATA"/*.out /var/log/smart-cctv-health.log; do
  [ -e "$file" ] || continue
  if [ ! -r "$file" ]; then skip logs "$file cannot be read by $(id -un)" && continue; fi
  count=$((count + 1))
  case "$file" in *.gz) reader=(gzip -dc) ;; *) reader=(cat) ;; esac
  while IFS= read -r place; do finding logs "$place"; done < <("${reader[@]}" "$file" | search "$file" "$said" | head -20)
done
[ "$found" -eq "$before" ] && ok logs "no secret in $count log files"

# --- Modes

before=$found
# Prints what others than the owner may do who should not: $2 is a mask of permissions that must be absent.
closed() {
  [ -e "$1" ] || return 0
  local mode
  mode=$(stat -Lc %a "$1")
  [ $((8#$mode & 8#$2)) -eq 0 ] || finding permissions "$1 has mode $mode: $3; chmod $4 $1"
}
for file in "${secret_files[@]}"; do closed "$file" 077 'others than its owner can read its secrets' 600; done
if [ -r "${LARES_CONFIG:-}" ] && grep -qE "(://[^/@[:space:]]+:[^/@[:space:]]+@|${word}[\"']?:[[:space:]]+[^[:space:]!#])" "$LARES_CONFIG"; then
  closed "$LARES_CONFIG" 077 'it holds secrets and others than its owner can read it' 600
else
  closed "${LARES_CONFIG:-/nonexistent}" 022 'others than its owner can change it' go-w
fi
closed "$LARES_DATA" 027 'what the cameras saw is for nobody else' 700
for file in "$here" "$here/bin/lares" "$here/src" "$here/node_modules"; do
  closed "$file" 002 'everybody can change the program' o-w
done
[ "$found" -eq "$before" ] && ok permissions 'settings, secrets, data and program are as closed as they should be'

# --- What listens

# `port inode` of TCP and UDP sockets that wait on any address but loopback.
sockets() {
  awk 'FNR > 1 && ($4 == "0A" || (FILENAME ~ /udp/ && $4 == "07")) {
    split($2, at, ":")
    if (at[1] !~ /^(......7F|00000000000000000000000001000000|0000000000000000FFFF0000......7F)$/)
      print FILENAME ~ /udp/ ? "UDP" : "TCP", at[2], $10
  }' /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2> /dev/null |
    while read -r kind port inode; do echo "$kind $((16#$port)) $inode"; done
}
# The service, and every process that it started.
family() {
  local pid
  echo "$1"
  for pid in $(cat /proc/"$1"/task/*/children 2> /dev/null); do family "$pid"; done
}
before=$found
pid=$(cat "$LARES_DATA/lock.pid" 2> /dev/null)
if [ -z "$pid" ] || [ ! -d "/proc/$pid" ]; then
  skip listening 'the service does not run, so nothing can be said of what it listens to'
elif [ ! -r "/proc/$pid/fd" ]; then
  skip listening "the process $pid belongs to another user: run this as root"
else
  for pid in $(family "$pid"); do
    find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' 2> /dev/null | tr -dc '0-9\n'
  done | sort -u > "$scratch/inodes"
  while read -r kind port inode; do
    # UDP sockets without a fixed purpose ask; they answer nobody.
    [ "$kind" = UDP ] && [ "$port" -ge 32768 ] && continue
    grep -qx "$inode" "$scratch/inodes" &&
      finding listening "$kind port $port of the service answers to the network: is that meant (electricity.pulse, broker)?"
  done < <(sockets)
  [ "$found" -eq "$before" ] && ok listening 'the service answers to this machine only'
fi

echo
if [ "$found" -gt 0 ]; then echo "$found found, $skipped not looked at." && exit 1; fi
if [ "$skipped" -gt 0 ]; then echo "Nothing found; $skipped not looked at." && exit 3; fi
echo 'Nothing found.'
