// Cases of our own: what has gone wrong between implementations in the field.
#include <thread>

#include "peer.h"

namespace {

constexpr int kBurst = 100'000;

std::string trimmed(const std::string& text) {
  auto begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

void burst_up(const Client& client) {
  Context context;
  client.sum(context, std::vector<int>(60, kBurst), 60 * kBurst);
}

void burst_both(const Client& client) {
  Context context;
  auto stream = client.stub->FullDuplexCall(&context);
  std::thread sender([&] {
    for (int i = 0; i < 30; ++i)
      if (!stream->Write(output_request({kBurst, kBurst}, kBurst))) break;
    stream->WritesDone();
  });
  pb::StreamingOutputCallResponse response;
  int count = 0;
  while (stream->Read(&response)) count += response.payload().body().size() == kBurst;
  sender.join();
  expect_ok(stream->Finish());
  expect(count == 60, std::to_string(count) + " responses of the right size instead of 60");
}

void burst_unary(const Client& client) {
  pb::SimpleRequest request;
  request.set_response_size(kBurst);
  request.mutable_payload()->set_body(std::string(kBurst, '\0'));
  for (int i = 0; i < 60; ++i) {
    Context context;
    pb::SimpleResponse response;
    expect_ok(client.stub->UnaryCall(&context, request, &response));
    expect_size(response.payload(), kBurst);
  }
}

void spaces_in_status(const Client& client) {
  Context context;
  pb::SimpleResponse response;
  auto status = client.stub->UnaryCall(&context, status_request(3, " spaces at both ends  "), &response);
  expect_status(status, grpc::StatusCode::INVALID_ARGUMENT);
  expect(trimmed(status.error_message()) == "spaces at both ends", "\"" + status.error_message() + "\"");
}

void spaces_in_metadata(const Client& client) {
  Context context;
  context.AddMetadata(kInitial, " spaces at both ends  ");
  pb::SimpleResponse response;
  expect_ok(client.stub->UnaryCall(&context, {}, &response));
  auto echo = value_of(context.GetServerInitialMetadata(), kInitial);
  expect(trimmed(echo) == "spaces at both ends", "\"" + echo + "\" came back");
}

void metadata_8k(const Client& client) {
  Context context;
  std::string text(3500, 'v'), binary(2550, '\xab');
  context.AddMetadata(kInitial, text);
  context.AddMetadata(kTrailing, binary);
  pb::SimpleResponse response;
  expect_ok(client.stub->UnaryCall(&context, {}, &response));
  expect(value_of(context.GetServerInitialMetadata(), kInitial) == text, "the initial metadata differs");
  expect(value_of(context.GetServerTrailingMetadata(), kTrailing) == binary, "the trailing metadata differs");
}

void trailers_only(const Client& client) {
  for (int code = 1; code <= 16; ++code) {
    Context context;
    pb::SimpleResponse response;
    auto message = "code " + std::to_string(code);
    auto status = client.stub->UnaryCall(&context, status_request(code, message), &response);
    expect_status(status, static_cast<grpc::StatusCode>(code), message);
  }
}

void deadline(const Client& client) {
  auto start = std::chrono::steady_clock::now();
  Context context(std::chrono::milliseconds(200));
  auto stream = client.stub->FullDuplexCall(&context);
  auto request = output_request({1});
  request.mutable_response_parameters(0)->set_interval_us(10'000'000);
  stream->Write(request);
  expect_status(stream->Finish(), grpc::StatusCode::DEADLINE_EXCEEDED);
  expect(std::chrono::steady_clock::now() - start < std::chrono::seconds(2), "a deadline of 200 ms took over 2 s");
  client.large();
}

void cancel_mid_stream(const Client& client) {
  for (int i = 0; i < 5; ++i) {
    Context context;
    auto stream = client.stub->StreamingOutputCall(&context, output_request(std::vector<int>(500, kBurst)));
    pb::StreamingOutputCallResponse response;
    for (int j = 0; j < 3; ++j) expect(stream->Read(&response), "the responses end early");
    context.TryCancel();
    while (stream->Read(&response)) {
    }
    expect_status(stream->Finish(), grpc::StatusCode::CANCELLED);
  }
  client.large();
}

void half_close_early(const Client& client) {
  Context context;
  auto stream = client.stub->FullDuplexCall(&context);
  auto request = output_request(std::vector<int>(5, 31415));
  for (auto& parameters : *request.mutable_response_parameters()) parameters.set_interval_us(10'000);
  stream->WriteLast(request, grpc::WriteOptions());
  pb::StreamingOutputCallResponse response;
  int count = 0;
  while (stream->Read(&response)) ++count;
  expect_ok(stream->Finish());
  expect(count == 5, std::to_string(count) + " responses instead of 5");
}

void server_ends_first(const Client& client) {
  Context context;
  auto stream = client.stub->FullDuplexCall(&context);
  pb::StreamingOutputCallRequest request;
  *request.mutable_response_status() = status_request(9, "enough").response_status();
  stream->Write(request);
  for (int i = 0; i < 100; ++i)
    if (!stream->Write(output_request({}, kBurst))) break;
  expect_status(stream->Finish(), grpc::StatusCode::FAILED_PRECONDITION, "enough");
  client.large();
}

void rst(const Client& client) {
  for (int i = 0; i < 50; ++i) {
    Context context;
    auto stream = client.stub->FullDuplexCall(&context);
    stream->Write(output_request({9}, 1000));
    pb::StreamingOutputCallResponse response;
    if (i % 2 == 0) stream->Read(&response);
    context.TryCancel();
    stream->Finish();
  }
  client.large();
}

}  // namespace

const std::map<std::string, Case> kFieldCases = {
    {"burst_up", burst_up},
    {"burst_down", [](const Client& client) { client.receive(std::vector<int>(60, kBurst)); }},
    {"burst_both", burst_both},
    {"burst_unary", burst_unary},
    {"spaces_in_status", spaces_in_status},
    {"spaces_in_metadata", spaces_in_metadata},
    {"metadata_8k", metadata_8k},
    {"trailers_only", trailers_only},
    {"deadline", deadline},
    {"cancel_mid_stream", cancel_mid_stream},
    {"half_close_early", half_close_early},
    {"server_ends_first", server_ends_first},
    {"rst", rst},
};
