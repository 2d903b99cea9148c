#!/bin/bash
# Read by test/debian and test/packages: a folder with a release of Debian, and commands in it.

# make_chroot SUITE DIR: by debootstrap, unless it is there.
make_chroot() {
  local suite=$1 dir=$2 mirror
  # The mirror of this host, whichever way it is written down.
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{sources,list} 2>/dev/null |
    sed -n 's/^URIs: *//p;s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' |
    grep '/debian/*$' | head -n 1 || true)
  if [ ! -e "$dir/etc/debian_version" ]; then
    debootstrap --variant=minbase "$suite" "$dir" ${mirror:+"$mirror"} >"$dir.log" 2>&1 || {
      tail -n 20 "$dir.log" >&2
      echo "debootstrap of $suite failed; all of it: $dir.log" >&2
      return 1
    }
  fi
  # Proxies and certificates of the host's apt are needed there too.
  cp -r /etc/apt/apt.conf.d/. "$dir/etc/apt/apt.conf.d/"
  [ ! -e /etc/resolv.conf ] || cp /etc/resolv.conf "$dir/etc/resolv.conf"
  [ -e "$dir/etc/hosts" ] || echo '127.0.0.1 localhost' >"$dir/etc/hosts"
  # Nothing is started by the installation of a package.
  printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
  chmod 755 "$dir/usr/sbin/policy-rc.d"
}

# in_chroot DIR COMMAND: bash -c COMMAND as root within DIR. In namespaces of its own: whatever
# happens, nothing stays mounted and no process stays. With NETLESS=1 it has no network.
in_chroot() {
  local share=(--mount --pid --fork --kill-child)
  [ -z "${NETLESS:-}" ] || share+=(--net)
  # shellcheck disable=SC2016
  unshare "${share[@]}" bash -euo pipefail -c '
    mount -t proc proc "$0/proc"
    mount --rbind --make-rslave /dev "$0/dev"
    mount --rbind --make-rslave /sys "$0/sys"
    mount -t tmpfs tmpfs "$0/run"
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root
    exec chroot "$0" /bin/bash -euo pipefail -c "$1"' "$1" "$2"
}
