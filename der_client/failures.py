"""Why no answer came, in an operator's words instead of those of sockets, TLS and HTTP. Pure."""

import socket
import ssl

import httpx

from der_client.errors import HeadendError, HeadendProblem, HeadendUnreachable


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
        case ssl.SSLError():
            return "it does not speak TLS (should it be http://?)"
        case socket.gaierror():
            return "no such host is known"
        case OSError(strerror=str(said)):
            return said[:1].lower() + said[1:]
    said = str(error)
    return "connection refused" if "refused" in said else said or type(error).__name__


def short(error: HeadendError) -> str:
    """An error without where and what to do."""
    match error:
        case HeadendUnreachable():
            return error.why
        case HeadendProblem():
            return error.detail or error.title
    return str(error)


def _no_http(said: str) -> str:
    if "disconnected" in said:
        return "it hung up without an answer"
    return "what answers there speaks no HTTP (is it the agents' port, or should it be https://?)"


def _root(error: BaseException) -> BaseException:
    """What is at the bottom of it: the libraries between wrap it, some of them several attempts at once."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    return error
