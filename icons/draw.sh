#!/bin/sh
# Draws every icon from its SVG beside this script. Run by hand after a change of an SVG.
# Debian packages: librsvg2-bin imagemagick icnsutils
set -eu
cd "$(dirname "$0")"

at() { rsvg-convert --width "$2" --height "$2" "$1" --output "$3"; }

for size in 16 24 32 48 64 128 256; do
    at app.svg "$size" "${size}x$size.png"
done
at app.svg 256 128x128@2x.png
at app.svg 512 icon.png
for state in well paused crashed down; do
    at "tray-$state.svg" 64 "tray-$state.png"
done

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
for size in 16 24 32 48 64 128 256 512; do
    at app.svg "$size" "$work/$size.png"
done
# Windows' resource compiler and Tauri want 32-bit images, the largest one packed as PNG.
magick=$(command -v magick || echo /usr/bin/convert)
"$magick" "$work/16.png" "$work/24.png" "$work/32.png" "$work/48.png" "$work/64.png" "$work/256.png" icon.ico
png2icns icon.icns "$work/16.png" "$work/32.png" "$work/48.png" "$work/128.png" "$work/256.png" "$work/512.png"
