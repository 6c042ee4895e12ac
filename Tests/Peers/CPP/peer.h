#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "grpc/testing/test.grpc.pb.h"

namespace pb = grpc::testing;

inline const char kInitial[] = "x-grpc-test-echo-initial";
inline const char kTrailing[] = "x-grpc-test-echo-trailing-bin";
inline constexpr auto kCallTimeout = std::chrono::seconds(30);

int serve(const std::string& port);
bool run_cases(const std::string& target, int concurrent, const std::vector<std::string>& names);

// The server lacks an optional feature that a case is about.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What a case works with: a channel of its own.
struct Client {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<pb::TestService::Stub> stub;
  int concurrent;

  void large(grpc::ClientContext& context, pb::SimpleRequest request = {}) const;
  void large() const;
  void sum(grpc::ClientContext& context, const std::vector<int>& sizes, int total) const;
  void receive(const std::vector<int>& sizes) const;
};

using Case = std::function<void(const Client&)>;
extern const std::map<std::string, Case> kInteropCases;
extern const std::map<std::string, Case> kFieldCases;

struct Context : grpc::ClientContext {
  explicit Context(std::chrono::milliseconds timeout = kCallTimeout) {
    set_deadline(std::chrono::system_clock::now() + timeout);
  }
};

inline void expect(bool condition, const std::string& text) {
  if (!condition) throw std::runtime_error(text);
}
void expect_ok(const grpc::Status& status);
void expect_status(const grpc::Status& status, grpc::StatusCode code, const std::string& message = "");
void expect_size(const pb::Payload& payload, size_t size);

pb::StreamingOutputCallRequest output_request(const std::vector<int>& sizes, size_t body = 0);
pb::SimpleRequest status_request(int code, const std::string& message);
// The first value of a key, "(none)" without one.
std::string value_of(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata, const std::string& key);
