#!/usr/bin/env python3
"""One address in front of the pods, as a Service with a cluster IP is: each new connection goes to one pod, by chance, and stays there.

    cluster_ip.py ADDRESS PORT ENDPOINTS

ENDPOINTS is a file with the pods' addresses, one a line; it is read at each connection. A pod that leaves it keeps its connections.
An endpoint may be the path of a Unix domain socket, too.
"""

import asyncio
import random
import signal
import sys
from pathlib import Path


async def pour(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def main(address, port, endpoints):
    async def connect(reader, writer):
        try:
            pod = random.choice(Path(endpoints).read_text().split())
            connection = asyncio.open_unix_connection(pod) if pod.startswith("/") else asyncio.open_connection(pod, port)
            back, forth = await connection
        except (OSError, IndexError):
            writer.transport.abort()
            return
        await asyncio.gather(pour(reader, forth), pour(back, writer))
        forth.close()
        writer.close()

    server = await asyncio.start_server(connect, address, port)
    print(f"LISTENING {address}:{port}", flush=True)
    await server.serve_forever()


# What starts this may have it inherit blocked signals.
signal.pthread_sigmask(signal.SIG_SETMASK, ())
asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
