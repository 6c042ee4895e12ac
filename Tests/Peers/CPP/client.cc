#include <cstdlib>
#include <future>
#include <iostream>
#include <thread>

#include "peer.h"

void expect_status(const grpc::Status& status, grpc::StatusCode code, const std::string& message) {
  if (status.error_code() == code && (message.empty() || status.error_message() == message)) return;
  throw std::runtime_error(
      "code " + std::to_string(status.error_code()) + " \"" + status.error_message() + "\" instead of code " +
      std::to_string(code) + " \"" + message + "\"");
}

void expect_ok(const grpc::Status& status) { expect_status(status, grpc::StatusCode::OK); }

void expect_size(const pb::Payload& payload, size_t size) {
  expect(
      payload.body().size() == size,
      "a payload of " + std::to_string(payload.body().size()) + " bytes instead of " + std::to_string(size));
}

pb::StreamingOutputCallRequest output_request(const std::vector<int>& sizes, size_t body) {
  pb::StreamingOutputCallRequest request;
  for (int size : sizes) request.add_response_parameters()->set_size(size);
  request.mutable_payload()->set_body(std::string(body, '\0'));
  return request;
}

pb::SimpleRequest status_request(int code, const std::string& message) {
  pb::SimpleRequest request;
  request.mutable_response_status()->set_code(code);
  request.mutable_response_status()->set_message(message);
  return request;
}

std::string value_of(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata, const std::string& key) {
  auto found = metadata.find(key);
  return found == metadata.end() ? "(none)" : std::string(found->second.data(), found->second.size());
}

void Client::large(grpc::ClientContext& context, pb::SimpleRequest request) const {
  request.set_response_size(314159);
  request.mutable_payload()->set_body(std::string(271828, '\0'));
  pb::SimpleResponse response;
  expect_ok(stub->UnaryCall(&context, request, &response));
  expect_size(response.payload(), 314159);
}

void Client::large() const {
  Context context;
  large(context);
}

void Client::sum(grpc::ClientContext& context, const std::vector<int>& sizes, int total) const {
  pb::StreamingInputCallResponse response;
  auto stream = stub->StreamingInputCall(&context, &response);
  for (int size : sizes) {
    pb::StreamingInputCallRequest request;
    request.mutable_payload()->set_body(std::string(size, '\0'));
    if (!stream->Write(request)) break;
  }
  stream->WritesDone();
  expect_ok(stream->Finish());
  expect(
      response.aggregated_payload_size() == total,
      "a sum of " + std::to_string(response.aggregated_payload_size()) + " instead of " + std::to_string(total));
}

void Client::receive(const std::vector<int>& sizes) const {
  Context context;
  auto stream = stub->StreamingOutputCall(&context, output_request(sizes));
  pb::StreamingOutputCallResponse response;
  size_t count = 0;
  for (; stream->Read(&response); ++count) {
    expect(count < sizes.size(), "a response too many");
    expect_size(response.payload(), sizes[count]);
  }
  expect_ok(stream->Finish());
  expect(count == sizes.size(), std::to_string(count) + " responses instead of " + std::to_string(sizes.size()));
}

bool run_cases(const std::string& target, int concurrent, const std::vector<std::string>& names) {
  auto cases = kInteropCases;
  cases.insert(kFieldCases.begin(), kFieldCases.end());
  bool passed = true;
  for (const auto& name : names) {
    auto found = cases.find(name);
    if (found == cases.end()) {
      std::cout << "SKIP " << name << ": the program on gRPC C++ does not have it" << std::endl;
      continue;
    }
    grpc::ChannelArguments arguments;
    // Channels that look the same share their connection otherwise.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
    Client client{channel, pb::TestService::NewStub(channel), concurrent};
    std::promise<void> done;
    auto result = done.get_future();
    std::thread runner([&] {
      try {
        found->second(client);
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
    if (result.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
      std::cout << "FAIL " << name << ": not done within 60 s" << std::endl;
      std::_Exit(1);  // The thread that hangs can't be ended alone.
    }
    runner.join();
    try {
      result.get();
      std::cout << "PASS " << name << std::endl;
    } catch (const Unsupported& error) {
      std::cout << "SKIP " << name << ": " << error.what() << std::endl;
    } catch (const std::exception& error) {
      passed = false;
      std::cout << "FAIL " << name << ": " << error.what() << std::endl;
    }
  }
  return passed;
}
