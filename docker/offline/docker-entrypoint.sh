#!/bin/sh
# What the official image's entrypoint does, as far as the course needs it: options alone mean
# redis-server, root becomes the user redis, the modules are loaded, and the server is process 1.
# One difference: this 8.10 was built without TLS, so where TLS is asked for, on the command line
# or in the configuration file, Debian's own Redis 8.0 runs instead.
set -e
case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac
[ "$1" = redis-server ] || exec "$@"

if [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ]; then
  chown redis:redis . ./*.conf 2>/dev/null || true
  chmod u+rw ./*.conf 2>/dev/null || true
  exec setpriv --reuid redis --regid redis --clear-groups --no-new-privs "$0" "$@"
fi
[ "$(umask)" != 0022 ] || umask 0077

shift
server=/usr/local/bin/redis-server
modules=/usr/local/lib/redis/modules/*.so
for word in "$@"; do
  case $word in
    --sentinel) modules= ;;
    --tls-port) server=/usr/bin/redis-server ;;
    *.conf) ! grep -Eqis '^[[:space:]]*tls-port' "$word" || server=/usr/bin/redis-server ;;
  esac
done
for module in $modules; do
  set -- "$@" --loadmodule "$module"
done
exec "$server" "$@"
