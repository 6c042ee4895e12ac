// Server: peer-grpc-cpp server PORT [CERTIFICATE KEY]    with TLS where PEM files are given
// Client: peer-grpc-cpp client PORT[,PORT] CONCURRENCY SECONDS PAYLOAD_BYTES callback|queue    prints one JSON line
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "benchmark.grpc.pb.h"

using Clock = std::chrono::steady_clock;
using volery::benchmark::Benchmark;
using volery::benchmark::Echo;
using volery::benchmark::StreamRequest;

static double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

class Service final : public Benchmark::CallbackService {
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const Echo* request, Echo* reply) override {
    reply->set_payload(request->payload());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<Echo>* Download(grpc::CallbackServerContext*, const StreamRequest* request) override {
    class Writer : public grpc::ServerWriteReactor<Echo> {
     public:
      Writer(uint32_t count, uint32_t size) : left_(count) {
        echo_.set_payload(std::string(size, '\0'));
        Next();
      }
      void OnWriteDone(bool ok) override { ok ? Next() : Finish(grpc::Status::CANCELLED); }
      void OnDone() override { delete this; }

     private:
      void Next() { left_-- > 0 ? StartWrite(&echo_) : Finish(grpc::Status::OK); }
      int64_t left_;
      Echo echo_;
    };
    return new Writer(request->count(), request->size());
  }

  grpc::ServerBidiReactor<Echo, Echo>* PingPong(grpc::CallbackServerContext*) override {
    class Answerer : public grpc::ServerBidiReactor<Echo, Echo> {
     public:
      Answerer() { StartRead(&echo_); }
      void OnReadDone(bool ok) override { ok ? StartWrite(&echo_) : Finish(grpc::Status::OK); }
      void OnWriteDone(bool ok) override { ok ? StartRead(&echo_) : Finish(grpc::Status::CANCELLED); }
      void OnDone() override { delete this; }

     private:
      Echo echo_;
    };
    return new Answerer;
  }
};

struct Load {
  Clock::time_point end;
  Echo echo;
  std::mutex mutex;
  std::vector<int64_t> latencies;
  std::atomic<int> running{0};
  std::unique_ptr<Benchmark::Stub> stub;
  void add(const std::vector<int64_t>& taken) {
    std::lock_guard<std::mutex> lock(mutex);
    latencies.insert(latencies.end(), taken.begin(), taken.end());
  }
};

static int64_t microseconds_since(Clock::time_point began) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count();
}

struct CallbackLane {
  Load* load;
  std::vector<int64_t> taken;
  std::unique_ptr<grpc::ClientContext> context;
  Echo reply;
  Clock::time_point began;
  void go() {
    if (Clock::now() >= load->end) {
      load->add(taken);
      load->running--;
      return;
    }
    began = Clock::now();
    context = std::make_unique<grpc::ClientContext>();
    load->stub->async()->Unary(context.get(), &load->echo, &reply, [this](grpc::Status status) {
      if (!status.ok()) fprintf(stderr, "%s\n", status.error_message().c_str()), exit(1);
      taken.push_back(microseconds_since(began));
      go();
    });
  }
};

struct QueueLane {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Echo>> reader;
  Echo reply;
  grpc::Status status;
  Clock::time_point began;
  void go(Load* load, grpc::CompletionQueue* queue) {
    began = Clock::now();
    context = std::make_unique<grpc::ClientContext>();
    reader = load->stub->AsyncUnary(context.get(), load->echo, queue);
    reader->Finish(&reply, &status, this);
  }
};

static void run_queue(Load* load, int concurrency) {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<QueueLane>> lanes;
  std::vector<int64_t> taken;
  for (int i = 0; i < concurrency; i++) {
    lanes.push_back(std::make_unique<QueueLane>());
    lanes.back()->go(load, &queue);
  }
  int running = concurrency;
  void* tag;
  bool ok;
  while (running > 0 && queue.Next(&tag, &ok)) {
    auto* lane = static_cast<QueueLane*>(tag);
    if (!lane->status.ok()) fprintf(stderr, "%s\n", lane->status.error_message().c_str()), exit(1);
    taken.push_back(microseconds_since(lane->began));
    if (Clock::now() < load->end) lane->go(load, &queue);
    else running--;
  }
  load->add(taken);
}

static int client(const std::string& ports, int concurrency, int seconds, int payload, const std::string& style) {
  Load load;
  load.echo.set_payload(std::string(payload, 7));
  std::string target = "ipv4:";
  for (size_t at = 0; at < ports.size();) {
    size_t comma = std::min(ports.find(',', at), ports.size());
    target += (at > 0 ? "," : "") + ("127.0.0.1:" + ports.substr(at, comma - at));
    at = comma + 1;
  }
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(R"({"loadBalancingConfig":[{"round_robin":{}}]})");
  load.stub = Benchmark::NewStub(grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
  for (int i = 0; i < 20; i++) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    Echo reply;
    if (!load.stub->Unary(&context, load.echo, &reply).ok()) return 1;
  }
  auto start = Clock::now();
  double cpu = cpu_seconds();
  load.end = start + std::chrono::seconds(seconds);
  if (style == "queue") {
    run_queue(&load, concurrency);
  } else {
    load.running = concurrency;
    std::vector<std::unique_ptr<CallbackLane>> lanes;
    for (int i = 0; i < concurrency; i++) {
      lanes.push_back(std::make_unique<CallbackLane>());
      lanes.back()->load = &load;
    }
    for (auto& lane : lanes) lane->go();
    while (load.running > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  double used = cpu_seconds() - cpu;
  double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  auto& all = load.latencies;
  std::sort(all.begin(), all.end());
  auto percentile = [&](double p) { return all[std::min(all.size() - 1, size_t(all.size() * p))]; };
  printf("{\"calls\":%zu,\"seconds\":%f,\"cpu_us_per_call\":%f,\"p50_us\":%ld,\"p99_us\":%ld,\"p999_us\":%ld}\n", all.size(),
         elapsed, used * 1e6 / all.size(), long(percentile(0.5)), long(percentile(0.99)), long(percentile(0.999)));
  return 0;
}

static std::string file(const char* path) {
  std::ifstream stream(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

int main(int argc, char** argv) {
  std::string command = argc > 2 ? argv[1] : "";
  if (command == "server") {
    Service service;
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(16 << 20);
    auto credentials = grpc::InsecureServerCredentials();
    if (argc > 4) {
      grpc::SslServerCredentialsOptions tls;
      tls.pem_key_cert_pairs.push_back({file(argv[4]), file(argv[3])});
      credentials = grpc::SslServerCredentials(tls);
    }
    builder.AddListeningPort("127.0.0.1:" + std::string(argv[2]), credentials);
    builder.RegisterService(&service);
    auto server = builder.BuildAndStart();
    if (!server) return 1;
    printf("LISTENING\n"), fflush(stdout);
    server->Wait();
    return 0;
  }
  if (command == "client" && argc == 7) {
    return client(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), argv[6]);
  }
  fprintf(stderr, "usage: peer-grpc-cpp server PORT [CERTIFICATE KEY] | client PORT[,PORT] CONCURRENCY SECONDS PAYLOAD_BYTES callback|queue\n");
  return 2;
}
