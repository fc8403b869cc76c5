#!/bin/bash
# Looks after the cameras from cron (deploy/cron.d/smart-cctv). Says nothing while all is well.
# A file named `maintenance` in the data directory, or a unit that is disabled, keeps a stopped system stopped.
. "$(dirname "$(readlink -f "$0")")/places.sh"
mkdir -p -m 700 "$LARES_DATA" || exit 1

# A camera that hangs must not pile up checks; nobody who is started here may inherit the lock.
exec 9> "$LARES_DATA/health_check.lock"
flock -n 9 || exit 0

# The house runs under one of these names, whichever of its services was started.
running() {
  pgrep -f '(^|/)(smart-cctv )?main\.py|^(presence|kasa|tuya|mqtt)_to_graphite|^esp32_receiver|^lares( |$)' > /dev/null
}

start() {
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
  case "$(systemctl is-enabled smart-cctv 2> /dev/null)" in
    disabled | masked*) ;;
    enabled* | static | alias | linked*) "${as_root[@]}" systemctl start smart-cctv 9>&- ;;
    *) setsid "$here/bin/smart-cctv" < /dev/null > "$LARES_DATA/smart-cctv.out" 2>&1 9>&- & ;;
  esac
}

if ! running; then
  echo "ERROR: System not running!"
  [ -e "$LARES_DATA/maintenance" ] || start
fi

usage=$(df -P "$LARES_DATA" | awk 'NR == 2 { sub(/%/, "", $5); print $5 }')
if [ "${usage:-0}" -gt 90 ]; then
  echo "WARNING: Disk usage at ${usage}%"
fi

"$here/bin/test_cameras" --quiet > /dev/null 2>&1 9>&- || echo "ERROR: Camera connectivity issue"
