"""A gRPC server with server reflection, for the client's tests: v1 or v1alpha alone; sparse, which leaves imports out; odd, whose v1
fails; or off. Usage: reflect.py MODE. It prints its port once it listens, and ends with its input."""
import pathlib
import sys
import tempfile
from concurrent import futures

import grpc
import grpc_tools
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_tools import protoc

mode = sys.argv[1]
sources = pathlib.Path(__file__).resolve().parents[3] / "src/body/protobuf/tests"
google = pathlib.Path(grpc_tools.__file__).parent / "_proto"
with tempfile.TemporaryDirectory() as out:
    assert protoc.main(["protoc", f"-I{sources}", f"-I{google}", f"--python_out={out}", "everything.proto"]) == 0
    sys.path.insert(0, out)
    import everything_pb2


class Sparse(reflection.ReflectionServicer):
    """Tells a file without what it imports, and knows nothing of google/protobuf."""

    def ServerReflectionInfo(self, requests, context):
        for request in requests:
            if request.WhichOneof("message_request") == "file_by_filename" and request.file_by_filename.startswith("google/"):
                error = reflection_pb2.ErrorResponse(error_code=5, error_message="not found")
                yield reflection_pb2.ServerReflectionResponse(error_response=error)
                continue
            for answer in super().ServerReflectionInfo([request], context):
                if answer.WhichOneof("message_response") == "file_descriptor_response":
                    files = answer.file_descriptor_response.file_descriptor_proto
                    own = [f for f in files if not f[2:].startswith(b"google/protobuf/")]
                    del files[:]
                    files.extend(own)
                yield answer


class Broken(reflection.ReflectionServicer):
    """Fails as a proxy does that does not know the method."""

    def ServerReflectionInfo(self, requests, context):
        context.abort(grpc.StatusCode.INTERNAL, "no such route")


def only(package, servicer):
    """The servicer under one version's name alone: both have the same messages."""
    call = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(f"grpc.reflection.{package}.ServerReflection", {"ServerReflectionInfo": call})


server = grpc.server(futures.ThreadPoolExecutor(4))
services = [everything_pb2.DESCRIPTOR.services_by_name["Orders"].full_name]
if mode == "sparse":
    server.add_generic_rpc_handlers([only("v1", Sparse(services, pool=descriptor_pool.Default()))])
elif mode in ("v1", "v1alpha"):
    server.add_generic_rpc_handlers([only(mode, reflection.ReflectionServicer(services, pool=descriptor_pool.Default()))])
elif mode == "odd":
    server.add_generic_rpc_handlers([only("v1", Broken(services))])
    server.add_generic_rpc_handlers([only("v1alpha", reflection.ReflectionServicer(services, pool=descriptor_pool.Default()))])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
