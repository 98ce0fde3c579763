"""What Schemathesis generates, given what a real client has: tokens, codes and ids that are good.

Of eight requests to an operation four are made good throughout, two get a good token and client only, one of those to
challenge a good client alone, and the others go out as they were generated. What was answered is counted, so that the test can tell that the inside was reached.
"""

import atexit
import base64
import collections
import hashlib
import hmac
import itertools
import json
import os
import struct
import time

import schemathesis

with open(os.environ["COUNTERSIGN_PEOPLE"], encoding="utf-8") as file:
    PEOPLE = json.load(file)

GOOD = {name: itertools.cycle(people) for name, people in PEOPLE.items() if isinstance(people, list)}
TURNS = collections.defaultdict(itertools.count)
ANSWERS = collections.defaultdict(collections.Counter)

# A client that is public authenticates by none of these.
CREDENTIALS = ["client_secret", "client_assertion", "client_assertion_type"]
MFA_GRANT = "http://auth0.com/oauth/grant-type/mfa-"


@schemathesis.hook
def before_call(context, case, kwargs):
    del context, kwargs
    name = f"{case.method.upper()} {case.operation.path}"
    turn = next(TURNS[name]) % 8
    if turn < 6 and name in FILLED:
        FILLED[name](case, whole=turn < 4)
    elif turn == 6 and name == "POST /mfa/challenge":
        as_client(case)


@schemathesis.hook
def after_call(context, case, response):
    del context
    ANSWERS[f"{case.method.upper()} {case.operation.path}"][response.status_code] += 1


@atexit.register
def write_answers():
    with open(os.environ["COUNTERSIGN_ANSWERS"], "w", encoding="utf-8") as file:
        json.dump(ANSWERS, file)


def associate(case, whole):
    person = next(GOOD["newcomers"])
    # Who has a factor already must prove it.
    authorize(case, person["mfa_token"] if whole else next(GOOD["enrolled"])["mfa_token"])
    body = fields(case)
    if body is None:
        return
    for name in ["client_id", *CREDENTIALS]:
        body.pop(name, None)
    body["phone_number"] = person["phone_number"]
    body["email"] = person["email"]


def listed(case, whole):
    person = next(GOOD["enrolled"])
    authorize(case, person["mfa_token"] if whole else person["access_token"])


def removed(case, whole):
    pending = next(GOOD["pending"])
    authorize(case, pending["access_token"])
    if whole:
        case.path_parameters["id"] = pending["id"]


def as_client(case):
    """The client is good, whatever the token is."""
    body = fields(case)
    if body is None:
        return None
    for name in CREDENTIALS:
        body.pop(name, None)
    body["client_id"] = PEOPLE["client_id"]
    return body


def challenge(case, whole):
    body = as_client(case)
    if body is None:
        return
    body["mfa_token"] = next(GOOD["enrolled"])["mfa_token"]
    if whole:
        body.pop("authenticator_id", None)
        body.pop("challenge_type", None)


def token(case, whole):
    # What is generated proves nothing, and who proves nothing gets bearer tokens.
    case.headers.pop("DPoP", None)
    body = fields(case)
    if body is None:
        return
    for name in [*CREDENTIALS, "audience", "actor_token", "requested_token_type"]:
        body.pop(name, None)
    body["client_id"] = PEOPLE["client_id"]
    good = grant(body.get("grant_type"))
    body.update(good if whole else {name: good[name] for name in good if name in ("mfa_token", "subject_token")})


def grant(kind):
    if kind == f"{MFA_GRANT}otp":
        person = next(GOOD["apps"])
        return {"mfa_token": person["mfa_token"], "otp": totp(person["secret"])}
    if kind == f"{MFA_GRANT}oob":
        return next(GOOD["sent"])
    if kind == f"{MFA_GRANT}recovery-code":
        return next(GOOD["recoverable"])
    return {"subject_token": next(GOOD["subjects"])}


FILLED = {
    "POST /mfa/associate": associate,
    "GET /mfa/authenticators": listed,
    "HEAD /mfa/authenticators": listed,
    "DELETE /mfa/authenticators/{id}": removed,
    "POST /mfa/challenge": challenge,
    "POST /oauth/token": token,
}


def authorize(case, bearer):
    case.headers["Authorization"] = f"Bearer {bearer}"


def fields(case):
    return case.body if isinstance(case.body, dict) else None


def totp(secret):
    """RFC 6238 at the Worker's time."""
    step = int(time.time() + PEOPLE["clock_offset"]) // 30
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    number = struct.unpack(">I", digest[digest[-1] & 15 :][:4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"
