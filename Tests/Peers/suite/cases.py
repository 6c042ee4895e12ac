"""The names of the cases. Every program has them: volery-interop, and those in Go, CPP and Python."""

# grpc/grpc doc/interop-test-descriptions.md
INTEROP = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "client_compressed_unary",
    "client_compressed_streaming",
    "server_compressed_unary",
    "server_compressed_streaming",
    "concurrent_large_unary",
]

# Ours: what goes wrong between implementations in the field.
FIELD = {
    "burst_up": "60 requests of 100 kB in one stream",
    "burst_down": "60 responses of 100 kB in one stream",
    "burst_both": "30 requests and 60 responses of 100 kB, both ways at once",
    "burst_unary": "60 calls, one after another, of 100 kB each way",
    "spaces_in_status": "a status message that begins and ends with spaces",
    "spaces_in_metadata": "a value of metadata that begins and ends with spaces",
    "metadata_8k": "as much metadata as a header list of 8 KiB takes, there and back",
    "trailers_only": "codes 1 to 16 as answers without a message",
    "deadline": "200 ms where the answer takes 10 s; the channel goes on",
    "cancel_mid_stream": "downloads of 50 MB cancelled after three messages; the channel goes on",
    "half_close_early": "the client ends its side before the first of five answers",
    "server_ends_first": "a status while the client goes on sending 10 MB; the channel goes on",
    "rst": "50 streams that are reset as soon as they have begun; the channel goes on",
}

# Of the services that tools and probes ask.
TOOLS = {
    "health_check": "the status of the server, NOT_FOUND for a service that it does not know",
    "health_list": "the statuses of all services (gRFC A90)",
    "health_watch": "streams that say a status and stay open, of an unknown service too",
    "server_reflection": "services, symbols and files, errors within the stream",
}

# Last those that take longest where they hang: a limit that they reach costs no other case.
SLOW = ["burst_both", "concurrent_large_unary"]
ALL = [name for name in INTEROP + list(FIELD) + list(TOOLS) if name not in SLOW] + SLOW
# Where a server can't tell whether a request was compressed, our client leaves the question out.
OUR_CLIENT = ["client_compressed_unary_noprobe", "client_compressed_streaming_noprobe", *ALL]
