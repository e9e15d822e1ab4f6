"""A Starlette application as its documentation writes them."""

import asyncio
import contextlib
import os

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

DONE = asyncio.Event()
LOG = []


@contextlib.asynccontextmanager
async def lifespan(app):
    LOG.append("started")
    yield {"database": "connected"}
    print("the lifespan has ended", flush=True)


async def home(request):
    return JSONResponse({"path": request.url.path, "query": dict(request.query_params), "state": request.state.database, "log": LOG})


async def echo(request):
    return PlainTextResponse(await request.body(), headers={"x-type": request.headers.get("content-type", "")})


async def count(request):
    size = 0
    async for block in request.stream():
        size += len(block)
    return JSONResponse({"size": size})


async def form(request):
    async with request.form() as form:
        file = form["file"]
        return JSONResponse({"name": form["name"], "file": file.filename, "size": len(await file.read())})


async def stream(request):
    async def blocks():
        for number in range(100):
            yield "block %d\n" % number

    return StreamingResponse(blocks(), media_type="text/plain")


async def file(request):
    return FileResponse(os.path.abspath(__file__))


async def late(request):
    DONE.clear()
    return PlainTextResponse("soon", background=BackgroundTask(finish))


async def finish():
    await asyncio.sleep(0)
    LOG.append("a task ran")
    DONE.set()


async def wait(request):
    await DONE.wait()
    return JSONResponse(LOG)


async def item(request):
    return JSONResponse({"number": request.path_params["number"], "url": request.url.path})


async def cookie(request):
    response = PlainTextResponse(request.cookies.get("seen", "no"))
    response.set_cookie("seen", "yes", httponly=True)
    response.set_cookie("other", "1")
    return response


async def away(request):
    return RedirectResponse("/", status_code=303)


async def fails(request):
    raise ValueError("on purpose")


class Shout(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket):
        offered = websocket.scope["subprotocols"]
        await websocket.accept(subprotocol=offered[0] if offered else None, headers=[(b"x-a", b"1")])

    async def on_receive(self, websocket, data):
        if data == "bye":
            await websocket.close(4000, "bye")
        else:
            await websocket.send_json({"heard": data.upper(), "query": websocket.query_params.get("a")})


async def denied(websocket):
    await websocket.close()


async def answered(websocket):
    await websocket.send_denial_response(PlainTextResponse("not you", status_code=401))


routes = [
    Route("/", home),
    # One method for each: Starlette keeps them in a set, and tells them in the order of that.
    Route("/echo", echo, methods=["POST"]),
    Route("/put", echo, methods=["PUT"]),
    Route("/count", count, methods=["POST"]),
    Route("/form", form, methods=["POST"]),
    Route("/stream", stream),
    Route("/file", file),
    Route("/late", late),
    Route("/wait", wait),
    Mount("/items", routes=[Route("/{number:int}", item, name="item")]),
    Route("/cookie", cookie),
    Route("/away", away),
    Route("/fails", fails),
    WebSocketRoute("/shout", Shout),
    WebSocketRoute("/denied", denied),
    WebSocketRoute("/answered", answered),
]
middleware = [Middleware(CORSMiddleware, allow_origins=["https://a.example"]), Middleware(GZipMiddleware, minimum_size=200)]
app = Starlette(routes=routes, middleware=middleware, lifespan=lifespan)
