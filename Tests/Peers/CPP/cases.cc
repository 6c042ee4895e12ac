// The cases of grpc/grpc doc/interop-test-descriptions.md.
#include <future>

#include "peer.h"

namespace {

const char kSpecial[] = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n";

void empty_unary(const Client& client) {
  Context context;
  pb::Empty response;
  expect_ok(client.stub->EmptyCall(&context, {}, &response));
}

void concurrent_large_unary(const Client& client) {
  std::vector<std::future<void>> calls;
  for (int i = 0; i < client.concurrent; ++i)
    calls.push_back(std::async(std::launch::async, [&client] {
      Context context(std::chrono::seconds(55));
      client.large(context);
    }));
  for (auto& call : calls) call.get();
}

void client_streaming(const Client& client) {
  Context context;
  client.sum(context, {27182, 8, 1828, 45904}, 74922);
}

void ping_pong(const Client& client) {
  Context context;
  auto stream = client.stub->FullDuplexCall(&context);
  for (auto [size, answer] : {std::pair{27182, 31415}, {8, 9}, {1828, 2653}, {45904, 58979}}) {
    stream->Write(output_request({answer}, size));
    pb::StreamingOutputCallResponse response;
    expect(stream->Read(&response), "no response");
    expect_size(response.payload(), answer);
  }
  stream->WritesDone();
  pb::StreamingOutputCallResponse response;
  expect(!stream->Read(&response), "a response too many");
  expect_ok(stream->Finish());
}

void empty_stream(const Client& client) {
  Context context;
  auto stream = client.stub->FullDuplexCall(&context);
  stream->WritesDone();
  pb::StreamingOutputCallResponse response;
  expect(!stream->Read(&response), "a response without a request");
  expect_ok(stream->Finish());
}

void check_echo(const grpc::ClientContext& context) {
  auto initial = value_of(context.GetServerInitialMetadata(), kInitial);
  expect(initial == "test_initial_metadata_value", "initial metadata " + initial);
  expect(value_of(context.GetServerTrailingMetadata(), kTrailing) == "\xab\xab\xab", "trailing metadata differs");
}

void custom_metadata(const Client& client) {
  Context unary;
  unary.AddMetadata(kInitial, "test_initial_metadata_value");
  unary.AddMetadata(kTrailing, "\xab\xab\xab");
  client.large(unary);
  check_echo(unary);
  Context duplex;
  duplex.AddMetadata(kInitial, "test_initial_metadata_value");
  duplex.AddMetadata(kTrailing, "\xab\xab\xab");
  auto stream = client.stub->FullDuplexCall(&duplex);
  stream->Write(output_request({314159}, 271828));
  stream->WritesDone();
  pb::StreamingOutputCallResponse response;
  while (stream->Read(&response)) {
  }
  expect_ok(stream->Finish());
  check_echo(duplex);
}

void echo_status(const Client& client, const std::string& message) {
  Context unary;
  pb::SimpleResponse response;
  auto status = client.stub->UnaryCall(&unary, status_request(2, message), &response);
  expect_status(status, grpc::StatusCode::UNKNOWN, message);
  Context duplex;
  auto stream = client.stub->FullDuplexCall(&duplex);
  pb::StreamingOutputCallRequest request;
  *request.mutable_response_status() = status_request(2, message).response_status();
  stream->Write(request);
  stream->WritesDone();
  pb::StreamingOutputCallResponse output;
  while (stream->Read(&output)) {
  }
  expect_status(stream->Finish(), grpc::StatusCode::UNKNOWN, message);
}

void unimplemented_method(const Client& client) {
  Context context;
  pb::Empty response;
  expect_status(client.stub->UnimplementedCall(&context, {}, &response), grpc::StatusCode::UNIMPLEMENTED);
}

void unimplemented_service(const Client& client) {
  Context context;
  pb::Empty response;
  auto stub = pb::UnimplementedService::NewStub(client.channel);
  expect_status(stub->UnimplementedCall(&context, {}, &response), grpc::StatusCode::UNIMPLEMENTED);
}

void cancel_after_begin(const Client& client) {
  Context context;
  pb::StreamingInputCallResponse response;
  auto stream = client.stub->StreamingInputCall(&context, &response);
  context.TryCancel();
  expect_status(stream->Finish(), grpc::StatusCode::CANCELLED);
}

void cancel_after_first_response(const Client& client) {
  Context context;
  auto stream = client.stub->FullDuplexCall(&context);
  stream->Write(output_request({31415}, 27182));
  pb::StreamingOutputCallResponse response;
  expect(stream->Read(&response), "no first response");
  context.TryCancel();
  expect_status(stream->Finish(), grpc::StatusCode::CANCELLED);
}

void timeout_on_sleeping_server(const Client& client) {
  Context context(std::chrono::milliseconds(1));
  auto stream = client.stub->FullDuplexCall(&context);
  stream->Write(output_request({}, 27182));
  expect_status(stream->Finish(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

void client_compressed_unary(const Client& client) {
  pb::SimpleRequest said;
  said.mutable_expect_compressed()->set_value(true);
  Context probe;
  pb::SimpleResponse response;
  auto status = client.stub->UnaryCall(&probe, said, &response);
  if (status.error_code() != grpc::StatusCode::INVALID_ARGUMENT)
    throw Unsupported("the server does not check whether requests are compressed");
  Context compressed;
  compressed.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  client.large(compressed, said);
  Context plain;
  said.mutable_expect_compressed()->set_value(false);
  client.large(plain, said);
}

void client_compressed_streaming(const Client& client) {
  Context context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  pb::StreamingInputCallResponse response;
  auto stream = client.stub->StreamingInputCall(&context, &response);
  for (auto [size, compressed] : {std::pair{27182, true}, {45904, false}}) {
    pb::StreamingInputCallRequest request;
    request.mutable_payload()->set_body(std::string(size, '\0'));
    grpc::WriteOptions options;
    if (!compressed) options.set_no_compression();
    stream->Write(request, options);
  }
  stream->WritesDone();
  expect_ok(stream->Finish());
  expect(response.aggregated_payload_size() == 73086, "the sum differs");
}

void server_compressed_unary(const Client& client) {
  for (bool compressed : {true, false}) {
    Context context;
    pb::SimpleRequest request;
    request.mutable_response_compressed()->set_value(compressed);
    client.large(context, request);
  }
}

void server_compressed_streaming(const Client& client) {
  Context context;
  auto request = output_request({31415, 92653});
  request.mutable_response_parameters(0)->mutable_compressed()->set_value(true);
  auto stream = client.stub->StreamingOutputCall(&context, request);
  pb::StreamingOutputCallResponse response;
  for (size_t size : {31415, 92653}) {
    expect(stream->Read(&response), "a response is missing");
    expect_size(response.payload(), size);
  }
  expect(!stream->Read(&response), "a response too many");
  expect_ok(stream->Finish());
}

}  // namespace

const std::map<std::string, Case> kInteropCases = {
    {"empty_unary", empty_unary},
    {"large_unary", [](const Client& client) { client.large(); }},
    {"concurrent_large_unary", concurrent_large_unary},
    {"client_streaming", client_streaming},
    {"server_streaming", [](const Client& client) { client.receive({31415, 9, 2653, 58979}); }},
    {"ping_pong", ping_pong},
    {"empty_stream", empty_stream},
    {"custom_metadata", custom_metadata},
    {"status_code_and_message", [](const Client& client) { echo_status(client, "test status message"); }},
    {"special_status_message", [](const Client& client) { echo_status(client, kSpecial); }},
    {"unimplemented_method", unimplemented_method},
    {"unimplemented_service", unimplemented_service},
    {"cancel_after_begin", cancel_after_begin},
    {"cancel_after_first_response", cancel_after_first_response},
    {"timeout_on_sleeping_server", timeout_on_sleeping_server},
    {"client_compressed_unary", client_compressed_unary},
    {"client_compressed_streaming", client_compressed_streaming},
    {"server_compressed_unary", server_compressed_unary},
    {"server_compressed_streaming", server_compressed_streaming},
};
