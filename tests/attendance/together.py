"""Several people at once: each action on a database connection of its own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection


def together(*actions: Callable[[], Any]) -> list[Any]:
    """What each action returned, or the exception it raised, all started at the same moment.

    For tests with `transaction=True`: the other connections see committed rows only.
    """
    answers: list[Any] = [None] * len(actions)
    start = threading.Barrier(len(actions), timeout=20)

    def run(number: int, action: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            start.wait()
            answers[number] = action()
        except Exception as error:  # noqa: BLE001  the test asks which one it was
            answers[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=40)
    return answers
