"""Server reflection under both of its names.

grpcio-reflection serves v1alpha only, newer tools ask for v1. The two differ in the package's name and in nothing on
the wire.
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"
V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Lets clients ask for the descriptors of `services`, and of reflection itself."""
    _describe_v1()
    servicer = reflection.aio.ReflectionServicer([*services, V1ALPHA, V1])
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handlers = {
        "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, handlers),))


def _describe_v1() -> None:
    """Puts a descriptor of the v1 service into the pool, for tools that resolve every service that is listed."""
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(V1)
    except KeyError:
        alpha = descriptor_pb2.FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(alpha)
        text = text_format.MessageToString(alpha)
        text = text.replace("grpc.reflection.v1alpha", "grpc.reflection.v1").replace("v1alpha/", "v1/")
        pool.Add(text_format.Parse(text, descriptor_pb2.FileDescriptorProto()))
