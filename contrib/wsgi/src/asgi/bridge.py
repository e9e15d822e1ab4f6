"""The half of the ASGI bridge that is Python: coroutines around what Rust decides, and the life of the event loop.

Rules of this room: all of it runs on the thread of the event loop; whatever an application raises ends its own
conversation and never the loop; waiting is the event loop's, and each wait is asked for anew when it ends.
"""

import asyncio
import traceback

ASGI = {"version": "3.0", "spec_version": "2.4"}


async def converse(application, scope, exchange):
    """Calls the application for one request or WebSocket."""

    async def receive():
        while True:
            event = exchange.receive()
            if type(event) is dict:
                return event
            await event

    async def send(event):
        waiting = exchange.send(event)
        while waiting is not None:
            await waiting
            waiting = exchange.flush()

    try:
        await application(scope, receive, send)
    except BaseException as error:
        # SystemExit as well: it is the failure of this conversation, and would end the loop.
        exchange.end(error)
    else:
        exchange.end(None)


class Host:
    """An application and its event loop."""

    def __init__(self, application):
        self.application = application
        self.loop = asyncio.new_event_loop()
        self.create_future = self.loop.create_future
        self.tasks = set()
        self.state = {}
        self.lifespan = None
        self.stopped = False

    def run(self, descriptor, drain):
        """The life of the thread: until `stop`."""
        asyncio.set_event_loop(self.loop)
        self.loop.add_reader(descriptor, drain)
        while not self.stopped:
            try:
                self.loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # Raised by a task that the application has made: its own failure as well.
                self.loop.call_exception_handler({"message": "a task raised %r" % error, "exception": error})
        self.loop.remove_reader(descriptor)
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def begin(self, scope, exchange):
        scope["asgi"] = ASGI
        scope["state"] = self.state.copy()
        self._keep(converse(self.application, scope, exchange))

    def _keep(self, coroutine):
        # The loop itself holds tasks weakly.
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def start(self, tell):
        """Begins the lifespan; `tell` is told how the startup went."""
        self.lifespan = Lifespan(tell)
        self.lifespan.task = self.loop.create_task(self.lifespan.run(self.application, self.state))

    def finish(self, patience, tell):
        """Lets what still runs end, and then the lifespan."""
        self.loop.create_task(self._finish(patience, tell))

    async def _finish(self, patience, tell):
        left = 0
        if self.tasks:
            _, pending = await asyncio.wait(set(self.tasks), timeout=patience)
            left = len(pending)
            for task in pending:
                task.cancel()
        told = "complete", ""
        if self.lifespan is not None:
            told = await self.lifespan.end(patience)
        tell(*told, left)

    def stop(self):
        self.stopped = True
        self.loop.stop()


class Lifespan:
    """The conversation about startup and shutdown."""

    def __init__(self, tell):
        self.tell = tell
        self.task = None
        self.received = 0
        self.started = self.is_supported = False
        self.closing = asyncio.Event()
        self.closed = None

    async def run(self, application, state):
        problem = None
        try:
            await application({"type": "lifespan", "asgi": ASGI, "state": state}, self.receive, self.send)
        except BaseException as error:
            problem = error
        if not self.started:
            self._start("unsupported", _line(problem) if problem else "it returned")
        elif self.closed is None and problem is not None and self.is_supported:
            self.closed = "failed", _text(problem)

    async def receive(self):
        self.received += 1
        if self.received == 1:
            return {"type": "lifespan.startup"}
        await self.closing.wait()
        if self.received > 2:
            # There is nothing after the shutdown.
            await asyncio.get_running_loop().create_future()
        return {"type": "lifespan.shutdown"}

    async def send(self, event):
        kind = event["type"]
        if kind in ("lifespan.startup.complete", "lifespan.startup.failed"):
            if self.started:
                raise RuntimeError("%s was sent, and the startup is over" % kind)
            self.is_supported = kind.endswith("complete")
            self._start("complete" if self.is_supported else "failed", event.get("message", ""))
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            if not self.closing.is_set():
                raise RuntimeError("%s was sent before the shutdown" % kind)
            self.closed = kind.rpartition(".")[2], event.get("message", "")
        else:
            raise ValueError("%r is no event of a lifespan" % (kind,))

    def _start(self, how, message):
        self.started = True
        self.tell(how, message, 0)

    async def end(self, patience):
        """Says that the end has come; gives how it went."""
        self.closing.set()
        if not self.task.done():
            await asyncio.wait({self.task}, timeout=patience)
        if not self.task.done():
            self.task.cancel()
            return "failed", "the application did not end its lifespan within %g seconds" % patience
        return self.closed or ("complete", "")


def _line(error):
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _text(error):
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).strip()
