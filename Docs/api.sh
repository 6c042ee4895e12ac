#!/usr/bin/env bash
# Writes the API documentation of what `import Volery` brings into .build/docs. A warning fails.
#
# DocC documents a module's own symbols, and nearly all that users import is re-exported: so the symbols of Volery are extracted
# here together with those of the modules that it re-exports, and handed to the plugin in place of what it would find itself.
set -euo pipefail
cd "$(dirname "$0")/.."
symbols=.build/docs-symbols

swift build --target Volery
modules=$(sed -n 's/^@_exported public import //p' Sources/Volery/Exports.swift | paste -sd,)
rm -rf "$symbols"
mkdir -p "$symbols"
includes=()
for folder in Sources/C*/; do includes+=(-I "$folder"); done
swift-symbolgraph-extract -module-name Volery -experimental-allowed-reexported-modules="$modules" \
  -target "$(swift -print-target-info | sed -n 's/^ *"unversionedTriple": "\(.*\)",$/\1/p')" \
  -minimum-access-level public -skip-synthesized-members -emit-extension-block-symbols \
  -I "$(swift build --show-bin-path)/Modules" "${includes[@]}" -output-dir "$symbols"

# The plugin is a dependency only while this runs: packages that use Volery never resolve or build it.
VOLERY_DOCS=1 swift package --allow-writing-to-directory .build/docs generate-documentation --target Volery \
  --output-path .build/docs --additional-symbol-graph-dir "$symbols" --warnings-as-errors
