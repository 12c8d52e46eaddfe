#!/usr/bin/env bash
# Builds target/deb/kenroku_VERSION_ARCH.deb from the binary of `cargo build --profile dist` with dpkg-deb alone.
set -euo pipefail
cd "$(dirname "$0")/.."
binary="${KENROKU_BINARY:-${CARGO_TARGET_DIR:-target}/dist/kenroku}"
[ -x "$binary" ] || { echo "$binary is not there; run: cargo build --profile dist -p kenroku" >&2; exit 1; }
version=$("$binary" --version | awk '{print $2}')
arch=$(dpkg --print-architecture)
out="${CARGO_TARGET_DIR:-target}/deb"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"

install -D -m 0755 "$binary" "$root/usr/bin/kenroku"
for unit in kenroku.service kenroku-backup.service kenroku-backup.timer; do
  install -D -m 0644 "packaging/$unit" "$root/lib/systemd/system/$unit"
done
"$binary" config example > "$root/kenroku.toml"
install -D -m 0640 "$root/kenroku.toml" "$root/etc/kenroku/kenroku.toml"
rm "$root/kenroku.toml"
for doc in README.md README.ja.md NOTICE SECURITY.md; do
  install -D -m 0644 "$doc" "$root/usr/share/doc/kenroku/$doc"
done
install -D -m 0644 docs/runbook/README.md "$root/usr/share/doc/kenroku/runbook.md"
install -D -m 0644 docs/runbook/exit-codes.md "$root/usr/share/doc/kenroku/exit-codes.md"
install -D -m 0644 LICENSE "$root/usr/share/doc/kenroku/copyright"

mkdir "$root/DEBIAN"
# The libraries that the binary really links, so that a wrong Debian refuses to install it.
glibc=$(objdump -T "$binary" 2>/dev/null | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 | cut -d_ -f2)
cat > "$root/DEBIAN/control" <<CONTROL
Package: kenroku
Version: $version
Architecture: $arch
Maintainer: Kenroku maintainers <maintainers@invalid.example>
Section: web
Priority: optional
Depends: libc6 (>= ${glibc:-2.36}), adduser
Recommends: postgresql-client
Installed-Size: $(du -sk "$root" | cut -f1)
Description: digital public infrastructure of a Japanese prefecture
 One server: portal, data-linkage platform, identity and the services that the
 prefecture and its cities run on them. Embedded database by default,
 PostgreSQL when one machine is not enough.
CONTROL
echo /etc/kenroku/kenroku.toml > "$root/DEBIAN/conffiles"
cat > "$root/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  adduser --system --group --home /var/lib/kenroku --no-create-home --quiet kenroku
  chown root:kenroku /etc/kenroku /etc/kenroku/kenroku.toml
  chmod 0750 /etc/kenroku
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # An update restarts what runs; a first installation waits for the configuration.
    systemctl try-restart kenroku.service
  fi
  if [ -z "$2" ]; then
    echo "Look at /etc/kenroku/kenroku.toml, then: systemctl enable --now kenroku kenroku-backup.timer"
  fi
fi
POSTINST
cat > "$root/DEBIAN/prerm" <<'PRERM'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now kenroku-backup.timer kenroku.service || true
fi
PRERM
cat > "$root/DEBIAN/postrm" <<'POSTRM'
#!/bin/sh
set -e
# /var/lib/kenroku holds the data of a city: it is never deleted by a package manager, not even on purge.
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
POSTRM
chmod 0755 "$root"/DEBIAN/p*
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -print | sed 's|^\./||' | sort | xargs md5sum > DEBIAN/md5sums)

mkdir -p "$out"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/kenroku_${version}_${arch}.deb"
