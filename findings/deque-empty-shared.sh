#!/usr/bin/env bash
# swift-collections 1.6.0 (DequeModule): every empty Deque of a process, whatever its elements, is a reference to one and the same object, and
# each copy of such a Deque counts a reference to it, atomically. An empty Array is one object, too, but one whose references
# nobody counts. So a type that has an empty Deque among its properties, made and dropped on many threads, has all of
# them write to one cache line: with an Array they would share nothing that is written.
#
# The program looks at the address of the storage, and at the word in which Swift's runtime counts an object's references, before
# and after a thousand empty ones are kept.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p Sources/look
cat > Package.swift <<'P'
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
  name: "look",
  dependencies: [.package(url: "https://github.com/apple/swift-collections.git", exact: "1.6.0")],
  targets: [.executableTarget(name: "look", dependencies: [.product(name: "DequeModule", package: "swift-collections")])]
)
P
cat > Sources/look/main.swift <<'P'
import DequeModule

func storage<T>(_ value: T) -> UInt { unsafeBitCast(value, to: UInt.self) }
func word(_ address: UInt) -> UInt64 { UnsafePointer<UInt64>(bitPattern: address + 8)!.pointee }

print("empty deques of Int and of String are one object:", storage(Deque<Int>()) == storage(Deque<String>()))
let deque = storage(Deque<Int>())
let countedDeque = word(deque)
let deques = (0..<1000).map { _ in Deque<String>() }
print("the deques' count has changed:", word(deque) != countedDeque)
let array = storage([Int]())
let countedArray = word(array)
let arrays = (0..<1000).map { _ in [String]() }
print("the arrays' count has changed:", word(array) != countedArray)
print(deques.count + arrays.count)
P

swift build -q -c release >build.log 2>&1 || { cat build.log; exit 1; }
.build/release/look | tee seen
diff - seen <<'EXPECTED' || { echo "swift-collections 1.6.0 behaves otherwise than is said here" >&2; exit 1; }
empty deques of Int and of String are one object: true
the deques' count has changed: true
the arrays' count has changed: false
2000
EXPECTED
echo "as said: an empty Deque counts references to an object that all share, an empty Array does not"
