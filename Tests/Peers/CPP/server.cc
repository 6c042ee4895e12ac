#include <signal.h>

#include <iostream>
#include <thread>

#include "peer.h"

namespace {

class TestService final : public pb::TestService::Service {
  using Context = grpc::ServerContext;
  using Output = pb::StreamingOutputCallResponse;

  static void begin(Context* context) {
    for (const auto& [key, value] : context->client_metadata()) {
      if (key == kInitial) context->AddInitialMetadata(kInitial, {value.data(), value.size()});
      if (key == kTrailing) context->AddTrailingMetadata(kTrailing, {value.data(), value.size()});
    }
  }

  static grpc::Status status_of(const pb::EchoStatus& status) {
    return {static_cast<grpc::StatusCode>(status.code()), status.message()};
  }

  // Gives false when the call is over.
  template <class Writer>
  static bool answer(Context* context, const pb::StreamingOutputCallRequest& request, Writer* writer) {
    for (const auto& parameters : request.response_parameters()) {
      auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(parameters.interval_us());
      while (std::chrono::steady_clock::now() < end) {
        if (context->IsCancelled()) return false;
        std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(
            std::chrono::milliseconds(5), end - std::chrono::steady_clock::now()));
      }
      Output response;
      response.mutable_payload()->set_body(std::string(parameters.size(), '\0'));
      grpc::WriteOptions options;
      if (!parameters.compressed().value()) options.set_no_compression();
      if (!writer->Write(response, options)) return false;
    }
    return true;
  }

  static void compress_if_asked(Context* context, const pb::StreamingOutputCallRequest& request) {
    for (const auto& parameters : request.response_parameters())
      if (parameters.compressed().value()) context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
  }

  grpc::Status EmptyCall(Context* context, const pb::Empty*, pb::Empty*) override {
    begin(context);
    return grpc::Status::OK;
  }

  grpc::Status UnaryCall(Context* context, const pb::SimpleRequest* request, pb::SimpleResponse* response) override {
    begin(context);
    if (request->response_status().code() != 0) return status_of(request->response_status());
    if (request->response_compressed().value()) context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    response->mutable_payload()->set_body(std::string(request->response_size(), '\0'));
    if (request->fill_server_id()) response->set_server_id("cpp");
    return grpc::Status::OK;
  }

  grpc::Status CacheableUnaryCall(
      Context* context, const pb::SimpleRequest* request, pb::SimpleResponse* response) override {
    return UnaryCall(context, request, response);
  }

  grpc::Status StreamingOutputCall(
      Context* context, const pb::StreamingOutputCallRequest* request, grpc::ServerWriter<Output>* writer) override {
    begin(context);
    if (request->response_status().code() != 0) return status_of(request->response_status());
    compress_if_asked(context, *request);
    return answer(context, *request, writer) ? grpc::Status::OK : grpc::Status::CANCELLED;
  }

  grpc::Status StreamingInputCall(
      Context* context, grpc::ServerReader<pb::StreamingInputCallRequest>* reader,
      pb::StreamingInputCallResponse* response) override {
    begin(context);
    pb::StreamingInputCallRequest request;
    int total = 0;
    while (reader->Read(&request)) total += request.payload().body().size();
    response->set_aggregated_payload_size(total);
    return grpc::Status::OK;
  }

  grpc::Status FullDuplexCall(
      Context* context, grpc::ServerReaderWriter<Output, pb::StreamingOutputCallRequest>* stream) override {
    begin(context);
    pb::StreamingOutputCallRequest request;
    while (stream->Read(&request)) {
      if (request.response_status().code() != 0) return status_of(request.response_status());
      compress_if_asked(context, request);
      if (!answer(context, request, stream)) return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  }

  grpc::Status HalfDuplexCall(
      Context* context, grpc::ServerReaderWriter<Output, pb::StreamingOutputCallRequest>* stream) override {
    std::vector<pb::StreamingOutputCallRequest> all;
    pb::StreamingOutputCallRequest request;
    while (stream->Read(&request)) all.push_back(request);
    for (const auto& each : all)
      if (!answer(context, each, stream)) return grpc::Status::CANCELLED;
    return grpc::Status::OK;
  }
};

}  // namespace

int serve(const std::string& port) {
  sigset_t terminate;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &terminate, nullptr);
  TestService service;
  int bound = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + port, grpc::InsecureServerCredentials(), &bound);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  if (server == nullptr || bound == 0) {
    std::cerr << "can't listen on port " << port << std::endl;
    return 2;
  }
  std::cout << "LISTENING 127.0.0.1:" << bound << std::endl;
  std::thread stopper([&] {
    int number = 0;
    sigwait(&terminate, &number);
    server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  });
  server->Wait();
  stopper.join();
  return 0;
}
