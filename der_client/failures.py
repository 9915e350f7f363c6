"""Why no answer came, in an operator's words instead of those of sockets, TLS and HTTP. Pure."""

import os
import socket
import ssl

import httpx

from der_client.errors import HeadendError, HeadendProblem, HeadendUnreachable

_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}
"""How OpenSSL calls bytes that are no TLS at all."""


def why(error: httpx.HTTPError) -> str:
    """Why the network failed."""
    match error:
        case httpx.ConnectTimeout():
            return "no connection within the time limit"
        case httpx.TimeoutException():
            return "no answer within the time limit"
        case httpx.RemoteProtocolError():
            return _no_http(str(error))
    match _root(error):
        case ssl.SSLCertVerificationError(verify_message=message):
            return f"its certificate is not trusted: {message.rstrip('.')}"
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "it broke the TLS connection off"
        case ssl.SSLError() as refusal:
            return _no_tls(refusal)
        case socket.gaierror():
            return "no such host is known"
        case OSError(errno=int(number)):
            said = os.strerror(number)
            return said[:1].lower() + said[1:]
    return _plain(error)


def short(error: HeadendError) -> str:
    """An error without where and what to do."""
    match error:
        case HeadendUnreachable():
            return error.why
        case HeadendProblem():
            return error.detail or error.title
    return str(error)


def _no_http(said: str) -> str:
    if "Server disconnected" in said:
        return "it hung up without an answer"
    if "peer closed" in said:
        return "it broke off in the middle of an answer"
    return "what answers there speaks no HTTP (is it the agents' port, or should it be https://?)"


def _no_tls(refusal: ssl.SSLError) -> str:
    reason = getattr(refusal, "reason", None) or "unknown reason"
    if reason in _NO_TLS:
        return "it does not speak TLS (should it be http://?)"
    return f"the TLS handshake was refused: {reason.replace('_', ' ').lower()}"


def _plain(error: httpx.HTTPError) -> str:
    """What is known where the operating system said nothing: how far it came."""
    match error:
        case httpx.ConnectError() if "refused" in str(error):
            return "connection refused"
        case httpx.ConnectError():
            return "no connection could be made"
        case httpx.NetworkError():
            return "the connection broke"
        case httpx.ProxyError():
            return "the proxy on the way refused"
        case httpx.DecodingError():
            return "its answer cannot be read"
    return "the question could not be sent"


def _root(error: BaseException) -> BaseException:
    """What is at the bottom of it: the libraries between wrap it, some of them several attempts at once."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    return error
