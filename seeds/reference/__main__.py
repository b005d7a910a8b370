"""`python -m seeds.reference`: a request as JSON on stdin, the verdict as JSON on stdout."""

import json
import sys

from seeds.reference import check

if __name__ == "__main__":
    json.dump(check(json.load(sys.stdin)), sys.stdout, ensure_ascii=False)
