"""An asyncio loop in a thread of its own, for what many lines at once need."""

import asyncio
import threading

PATIENCE_SECONDS = 30


class Looping:
    """Runs coroutines for a test that is no coroutine itself; `start(...)` is for what goes on until the end."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._tasks = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, coroutine, seconds=PATIENCE_SECONDS):
        """What the coroutine answers; waits for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    def start(self, coroutine):
        """Begin something that ends by itself or with this loop."""
        return self.do(self._started(coroutine))

    async def _started(self, coroutine):
        return self.keep(self._loop.create_task(coroutine))

    def keep(self, task):
        """Look after a task: it is ended with the loop."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def end(self):
        """Cancel what still runs, and stop; once is enough."""
        if self._loop.is_closed():
            return
        self.do(self._cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    async def _cancel(self):
        while tasks := set(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
