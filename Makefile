# `make help` lists the targets. Everything is built with SwiftPM; this file knows the order of things.

SHELL := /bin/bash
BUILD := .build/debug
PACKAGES := libnghttp2-dev libprotobuf-c-dev libssl-dev libuv1-dev libc-ares-dev zlib1g-dev pkg-config \
  protobuf-compiler dnsmasq-base iproute2 util-linux python3 python3-venv openssl curl
# Other implementations of gRPC, and proxies. Without C++ where it has to be quick.
QUICK_PEERS_PACKAGES := golang-go golang-goprotobuf-dev golang-google-grpc-dev nginx-light haproxy
PEERS_PACKAGES := $(QUICK_PEERS_PACKAGES) libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev g++
CONFORMANCE_PACKAGES := libprotobuf-dev g++ dpkg-dev
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
define install
missing=""; for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; fi
endef
# The same for packages that bring services: what was installed here is not left running.
define install-quiet
missing=""; for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq $$missing && \
	for s in nginx haproxy; do case "$$missing" in *$$s*) $(SUDO) service $$s stop >/dev/null 2>&1 || true;; esac; done; fi
endef
PROTOC := protoc -I Protos --plugin=protoc-gen-volery=$(BUILD)/protoc-gen-volery

.DEFAULT_GOAL := help

include Tests/Benchmark/bench.mk

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1|/' | column -t -s '|'

deps: ## Install the system packages that are missing (Debian, Ubuntu)
	@$(call install,$(PACKAGES))

# HTTP in front of the pods (Examples/Front), a package of its own.
FRONT := .build/front/debug/front
build-front = swift build --package-path Examples/Front --scratch-path .build/front
front-build = $(if $(PAGE),$(build-front))
front-env = $(if $(PAGE),PAGE=$(PAGE) FRONT=$(FRONT))

demo: deps ## Five pods behind a DNS name, called 1-N, changed under load (needs root for its own network); PAGE=8080 shows it in a browser, as with the other demos
	swift build --product pod
	swift build --product pods-demo
	$(front-build)
	$(SUDO) env $(front-env) Examples/Pods/demo.sh $(BUILD)

demo-1: deps ## The same pods behind one address, as a Service with a cluster IP: each client sticks to one, and is told so
	swift build --product pod
	swift build --product pods-demo
	$(front-build)
	$(SUDO) env $(front-env) KUBERNETES_SERVICE_HOST=10.96.0.1 Examples/Pods/demo.sh $(BUILD) one

demo-2: demo ## The same as demo

demo-3: deps ## Clients, two proxies, five pods: 1-M-N, with a rolling restart of the proxies and of the pods
	swift build --product pod
	swift build --product pods-demo
	swift build --product volery-proxy
	$(front-build)
	$(SUDO) env $(front-env) Examples/Pods/demo.sh $(BUILD) three

python: deps
	@Tests/Interop/environment.sh >/dev/null

test: deps python ## Run the tests: unit, loopback, hostile peers, other implementations and proxies
	swift build --build-tests
	@Tests/run.py
	@$(MAKE) --no-print-directory lab-quick
	@$(MAKE) --no-print-directory peers-quick
	@$(MAKE) --no-print-directory kubernetes
	Tests/Examples/run.sh --quick
	@if $(NAMESPACES); then Tests/Pages/follow.py; \
	else echo "pages: SKIPPED, this machine allows no namespaces"; fi

# What is measured is what users run: an optimised build. `.ci/run` goes on with it, so that it is made once.
LAB := .build/release/volery-lab
NAMESPACES := unshare --mount --net --pid --fork --mount-proc true 2>/dev/null

lab: deps python ## The laboratory: each statement about one client and N pods (needs root); whole it writes Docs/Laboratory.md, with CASES="B12 F" some
	swift build -c release --product volery-lab
	swift build -c release --product volery-proxy
	$(SUDO) Tests/Lab/run.py --jobs 2 --program $(LAB) --python .build/python/bin/python --page Docs/Laboratory.md $(CASES)

lab-reference: deps python ## The laboratory with grpcio's client in the place of ours: the figures beside ours, of all CASES or some
	swift build -c release --product volery-lab
	swift build -c release --product volery-proxy
	$(SUDO) Tests/Lab/run.py --reference --keep-reference --out .build/lab-reference --program $(LAB) \
	  --python .build/python/bin/python $(CASES)

# The part of it that belongs to the tests. Where namespaces are forbidden there is nothing to run it in.
lab-quick: deps
	swift build -c release --product volery-lab
	swift build -c release --product volery-proxy
	@if $(SUDO) $(NAMESPACES); then $(SUDO) timeout 600 Tests/Lab/run.py --quick --shared --jobs 3 --program $(LAB); \
	else echo "lab-quick: SKIPPED, this machine allows no namespaces"; fi

peers: deps ## Interoperability with real peers and through real proxies, both directions; writes Docs/Peers.md
	@$(call install-quiet,$(PEERS_PACKAGES))
	swift build -c release --product volery-interop
	swift build -c release --product volery-proxy
	Tests/Peers/build.sh
	$(SUDO) timeout 900 Tests/Peers/run.py --program .build/release/volery-interop --page Docs/Peers.md

# The part of it that belongs to the tests: what needs no long compiling, and no figures that have to do with time.
peers-quick: deps
	@$(call install-quiet,$(QUICK_PEERS_PACKAGES))
	swift build --product volery-interop
	swift build --product volery-proxy
	Tests/Peers/build.sh --quick
	$(SUDO) timeout 200 Tests/Peers/run.py --quick --program $(BUILD)/volery-interop

xds: deps ## The same resources for Volery, grpcio's xds:/// and Envoy, side by side: what each makes of them; writes Docs/XDS.md, with CASES="ring_hash priority*" some
	swift build -c release --product volery-xds-probe
	swift build -c release --product volery-interop
	@python="$$(Tests/XDS/environment.sh)" && $(SUDO) timeout -k 10 3000 "$$python" Tests/XDS/run.py \
	  --program .build/release/volery-xds-probe --python "$$python" --page Docs/XDS.md $(CASES)

generate: deps ## Write the generated Swift anew
	swift build --product protoc-gen-volery
	Protos/generate.sh $(BUILD)/protoc-gen-volery .
	Tests/Pages/follow.py --write Examples/Shop

format: ## Format the sources
	swift format -i -r Package.swift Sources Tests Examples

proxy-gigabyte: deps ## One stream of 1 GiB each way through volery-proxy: by how much it grows
	PROXY_MEGABYTES=1024 swift test --filter ProxyTests.ProgramTests/memory

proxy-clients: deps ## 10,000 clients of one volery-proxy at once, a call and a stream of each: how long it takes and by how much it grows
	PROXY_CLIENTS=10000 swift test --filter ProxyTests.HostileTests/manyClients

interop: deps python ## Run the interoperability cases against grpcio, both directions
	swift build --product volery-interop
	swift test --filter InteropTests

conformance: deps ## Run protobuf's official conformance suite over the messages (builds its runner from Debian's sources)
	@$(call install,$(CONFORMANCE_PACKAGES))
	Tests/Conformance/run.sh

bench-messages: deps ## Encode and decode beside swift-protobuf: a table of times and allocations
	Tests/Benchmark/Messages/run.sh --json .build/messages-bench.json

FUZZ_SECONDS ?= 600
fuzz: deps ## Fuzz what reads bytes from others, FUZZ_SECONDS (600) for each target
	Tests/Fuzz/run.sh $(FUZZ_SECONDS)

examples: deps ## Build the example packages from scratch, and run them
	Tests/Examples/run.sh

kubernetes: deps python ## Examples/Kubernetes: right for Kubernetes' schemas, and as the programs really are
	swift build --product pod
	swift build --product pods-client
	swift build --product volery-proxy
	timeout 300 .build/python/bin/python Tests/Kubernetes/check.py $(BUILD) $(addprefix --front ,$(wildcard $(FRONT)))

image-root: deps python ## Examples/Kubernetes/Dockerfile, proven without Docker: its images' root folders by debootstrap, the programs run in them (needs root; STAGES="pod client proxy")
	@$(call install,debootstrap)
	$(SUDO) env "PATH=$$PATH" Tests/Kubernetes/root.sh .build/python/bin/python $(STAGES)

pages: deps ## README's quick start and Docs/Production.md (Examples/Shop), followed word for word from empty folders
	Tests/Pages/follow.py

status-page: deps ## Look at the status page of Examples/StatusPage in Chromium without a window; PICTURE=1 takes the pictures of its page
	@$(call install,chromium)
	swift build --package-path Examples/StatusPage --scratch-path .build/status-page
	@[ -x .build/browser/bin/python ] || { python3 -m venv .build/browser && .build/browser/bin/pip install -q playwright; }
	timeout 300 .build/browser/bin/python Tests/StatusPage/check.py .build/status-page/debug/StatusDemo \
	  $(if $(PICTURE),--picture Docs/Pictures/status-page.png)

front: deps ## Look at the page of Examples/Front in Chromium without a window, and ask its paths; PICTURE=1 takes the picture of its page
	@$(call install,chromium)
	swift build --product pod
	$(build-front)
	@[ -x .build/browser/bin/python ] || { python3 -m venv .build/browser && .build/browser/bin/pip install -q playwright; }
	timeout 300 .build/browser/bin/python Tests/Front/check.py $(FRONT) $(BUILD)/pod \
	  $(if $(PICTURE),--picture Docs/Pictures/front.png)

rotation: deps ## Replace a server's certificates 10 times in 20 s under 500 calls a second: none may fail
	swift build --build-tests
	VOLERY_ROTATION=full timeout 120 swift test --skip-build --no-parallel --filter RotationTests

docs: deps ## The API documentation, into .build/docs (any web server can serve it); a warning fails
	Docs/api.sh

deploy-check: deps ## Docs/Deploying.md, tried: the example in a bare Debian with the packages that the page names (needs root)
	@$(call install,debootstrap)
	$(SUDO) env "PATH=$$PATH" Tests/Deploy/run.sh

balancing: ## Simulate the load balancing policies, and write the table of Docs/Balancing.md
	swift build --build-tests
	VOLERY_WRITE_BALANCING=1 swift test --skip-build --filter SimulationTests

clean: ## Remove what was built
	rm -rf .build .build-*

.PHONY: xds kubernetes image-root front docs proxy-gigabyte proxy-clients status-page pages deploy-check peers peers-quick bench-messages fuzz conformance lab lab-reference lab-quick help deps demo demo-1 demo-2 demo-3 python test generate format interop examples rotation balancing clean
