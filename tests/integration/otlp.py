"""Read an OTLP/JSON body by OpenTelemetry's own definition, as protoc compiles it.

usage: otlp.py PROTOS BODY      prints NAME UNIT KIND VALUE-OF-THE-FIRST-POINT for each metric

protobuf's reader takes the names of enums too, which OTLP forbids, and 64-bit numbers that are none: both are
looked at here.
"""
import json
import subprocess
import sys
import tempfile

from google.protobuf import json_format

protos, path = sys.argv[1:]
out = tempfile.mkdtemp()
files = ["common/v1/common", "resource/v1/resource", "metrics/v1/metrics", "collector/metrics/v1/metrics_service"]
subprocess.run(["protoc", f"-I{protos}", f"--python_out={out}"]
               + [f"opentelemetry/proto/{name}.proto" for name in files], check=True)
sys.path.insert(0, out)
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: E402

text = open(path, encoding="utf-8").read()
request = json_format.Parse(text, metrics_service_pb2.ExportMetricsServiceRequest())
for resource in json.loads(text)["resourceMetrics"]:
    for scope in resource["scopeMetrics"]:
        for metric in scope["metrics"]:
            if "sum" in metric:
                assert isinstance(metric["sum"]["aggregationTemporality"], int), metric
            for point in (metric.get("sum") or metric.get("histogram") or metric["gauge"])["dataPoints"]:
                assert isinstance(point["timeUnixNano"], str), point
            for point in metric.get("histogram", {"dataPoints": []})["dataPoints"]:
                assert len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1, point
                assert sum(int(count) for count in point["bucketCounts"]) == int(point["count"]), point
for resource in request.resource_metrics:
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            kind = metric.WhichOneof("data")
            points = getattr(metric, kind).data_points
            value = "none" if not points else points[0].count if kind == "histogram" else points[0].as_double
            print(metric.name, metric.unit or "-", kind, value)
