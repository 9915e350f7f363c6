"""The parts alone: a gRPC server and a FastAPI server that do nothing, and clients that ask them to.

``python -m bench.bare grpc|http`` is the server, in a process of its own as the headend is, on the same event loop.
"""

import asyncio
import http.client
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import grpc
import uvicorn
import uvloop
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from grpc import aio
from pydantic import BaseModel

from bench.run import Run
from kit.processes import Program, free_port

T = TypeVar("T")

_SERVICE = "bench.Bare"
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
_READY = "bare server ready"
_START_S = 30.0


class Order(BaseModel):
    """The fields of a dispatch."""

    asset_id: str
    mw: float
    duration_s: float | None = None


def server(run: Run, kind: str) -> tuple[Program, int]:
    """A bare server, ``grpc`` or ``http``, and its port; it ends with the run."""
    port = free_port()
    program = run.stack.enter_context(Program.module("bench.bare", kind, str(port)))
    program.wait_for(_READY, deadline_s=_START_S)
    return program, port


def http_client(port: int) -> http.client.HTTPConnection:
    """A connection to the bare HTTP server, kept open."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=_START_S)


def streamed_per_s(port: int, message: bytes, *, streams: int, for_s: float) -> float:
    """How many messages per second a client gets through ``streams`` connections, counted by the server."""

    async def send(stub: Any, end_s: float) -> int:
        async def messages() -> AsyncIterator[bytes]:
            while time.monotonic() < end_s:
                yield message

        call = stub(messages())
        return int(await call.read())

    async def main() -> float:
        async with AsyncExitStack() as stack:
            stubs = [await _stub(stack, port, "Count") for _ in range(streams)]
            began_s = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                sent = [tasks.create_task(send(stub, began_s + for_s)) for stub in stubs]
            return sum(task.result() for task in sent) / (time.monotonic() - began_s)

    return _run(main())


def echoed_s(port: int, message: bytes, *, times: int) -> list[float]:
    """Seconds from a message on a stream to its echo, one after the other."""

    async def main() -> list[float]:
        async with AsyncExitStack() as stack:
            call = (await _stub(stack, port, "Echo"))()
            taken_s = []
            for _ in range(times):
                began_s = time.perf_counter()
                await call.write(message)
                await call.read()
                taken_s.append(time.perf_counter() - began_s)
            call.cancel()
            return taken_s

    return _run(main())


def with_open_streams(port: int, message: bytes, *, streams: int, then: Callable[[], T]) -> T:
    """What ``then`` gives while so many streams, each on a connection of its own, are open and idle."""

    async def main() -> T:
        async with AsyncExitStack() as stack:
            for _ in range(streams):
                call = (await _stub(stack, port, "Echo"))()
                await call.write(message)
                await call.read()
                stack.callback(call.cancel)
            return then()

    return _run(main())


async def _stub(stack: AsyncExitStack, port: int, method: str) -> Any:
    channel = await stack.enter_async_context(aio.insecure_channel(f"127.0.0.1:{port}", _OWN_CONNECTION))
    return channel.stream_stream(f"/{_SERVICE}/{method}")


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _count(messages: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
    count = 0
    async for _ in messages:
        count += 1
    yield str(count).encode()


async def _echo(messages: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message


async def _serve_grpc(port: int) -> None:
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Count": grpc.stream_stream_rpc_method_handler(_count),
        "Echo": grpc.stream_stream_rpc_method_handler(_echo),
    }
    served = aio.server(options=[("grpc.so_reuseport", 0)])
    served.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    served.add_insecure_port(f"127.0.0.1:{port}")
    await served.start()
    print(_READY, flush=True)
    await served.wait_for_termination()


async def _serve_http(port: int) -> None:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        print(_READY, flush=True)
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/dispatch", status_code=202)
    async def submit(order: Order) -> JSONResponse:
        return JSONResponse(order.model_dump(), 202)

    config = uvicorn.Config(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")
    await uvicorn.Server(config).serve()


def main(argv: Sequence[str]) -> None:
    """Serve until the end."""
    kind, port = argv
    serve = _serve_grpc if kind == "grpc" else _serve_http
    _run(serve(int(port)))


if __name__ == "__main__":
    main(sys.argv[1:])
