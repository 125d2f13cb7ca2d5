"""`python -m iop_clinic.healthcheck [path]`: asks the web server of this container; 0 when well.

The slim image has no curl, and the question must carry a host name the settings allow.
"""

import http.client
import os
import sys
from urllib.parse import urlsplit

SECONDS = 4


def main(path: str, port: int = 8000) -> int:
    host = urlsplit(os.environ.get("BASE_URL", "")).hostname or "localhost"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": host})
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "/healthz"))
