"""The command line that the programs of the Python peers share:

peer_NAME.py version
peer_NAME.py server PORT                       prints LISTENING; SIGTERM ends it
peer_NAME.py client TARGET CONCURRENT CASE...  prints PASS, FAIL or SKIP for each case"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import cases
import field_cases
import tool_cases
from endpoint import Client, Unsupported

LIMIT = 60
CASES = {case.__name__: case for case in cases.CASES + field_cases.CASES + tool_cases.CASES}


async def run_cases(connect: Callable[[str], Client], target: str, concurrent: int, names: list[str]) -> bool:
    passed = True
    for name in names:
        if name not in CASES:
            print(f"SKIP {name}: the Python programs do not have it", flush=True)
            continue
        client = connect(target)
        try:
            async with asyncio.timeout(LIMIT):
                await CASES[name](client, concurrent)
            print(f"PASS {name}", flush=True)
        except Unsupported as lacking:
            print(f"SKIP {name}: {lacking}", flush=True)
        except Exception as error:
            passed = False
            text = (
                f"not done within {LIMIT} s" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
            )
            print(f"FAIL {name}: {text}", flush=True)
        finally:
            await client.close()
    return passed


def main(version: str, connect: Callable[[str], Client], serve: Callable[[int], Awaitable[None]]) -> None:
    match sys.argv[1:]:
        case ["version"]:
            print(version)
        case ["server", port]:
            asyncio.run(serve(int(port)))
        case ["client", target, concurrent, *names] if names:
            sys.exit(0 if asyncio.run(run_cases(connect, target, int(concurrent), names)) else 1)
        case _:
            sys.exit(__doc__)
