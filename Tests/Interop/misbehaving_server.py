"""A server for doc/http2-interop-test-descriptions.md: misbehaving_server.py CASE. Prints LISTENING; SIGTERM ends it.

Answers UnaryCall with 314159 zero bytes and misbehaves on the way as the case says."""

import signal
import socket
import struct
import sys
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings

CASE = sys.argv[1]
BODY = 314159


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def response():
    payload = b"\x12" + varint(BODY) + bytes(BODY)
    message = b"\x0a" + varint(len(payload)) + payload
    return b"\x00" + struct.pack(">I", len(message)) + message


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.waiting = {}
        self.answered = 0

    def run(self):
        self.h2.initiate_connection()
        if CASE == "max_streams":
            self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        self.flush()
        while True:
            data = self.sock.recv(65536)
            if not data:
                return
            for event in self.h2.receive_data(data):
                self.handle(event)
            self.push()
            self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def handle(self, event):
        if isinstance(event, h2.events.DataReceived):
            if event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.answer(event.stream_id)

    def answer(self, stream):
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        if CASE == "rst_after_header":
            self.h2.send_headers(stream, headers)
            self.h2.reset_stream(stream)
            return
        self.h2.send_headers(stream, headers)
        data = response()
        if CASE == "rst_during_data":
            self.h2.send_data(stream, data[:1000])
            self.h2.reset_stream(stream)
            return
        self.waiting[stream] = data
        if CASE == "ping":
            for number in range(50):
                self.h2.ping(struct.pack(">Q", number))

    def push(self):
        for stream in list(self.waiting):
            while self.waiting[stream]:
                pad = 100 if CASE == "data_frame_padding" else None
                room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
                room -= (pad + 1) if pad else 0
                if room <= 0:
                    break
                chunk, self.waiting[stream] = self.waiting[stream][:room], self.waiting[stream][room:]
                self.h2.send_data(stream, chunk, pad_length=pad)
                if CASE == "ping":
                    self.h2.ping(struct.pack(">Q", 99))
                self.flush()
            if not self.waiting[stream]:
                del self.waiting[stream]
                if CASE == "rst_after_data":
                    self.h2.reset_stream(stream)
                else:
                    self.h2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
                self.answered += 1
                if CASE == "goaway" and self.answered == 1:
                    self.h2.close_connection()


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"LISTENING 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    connections = []

    def serve(sock):
        try:
            Connection(sock).run()
        except OSError:
            pass
        finally:
            sock.close()

    while True:
        sock, _ = listener.accept()
        connections.append(sock)
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
