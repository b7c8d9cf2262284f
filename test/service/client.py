"""A client of the Open Inference Protocol that needs only Python's standard library.

python3 client.py URL MODEL json|binary <inputs.json: prints the probabilities of all candidates.
"""

import http.client
import json
import struct
import sys
import urllib.parse
import urllib.request

CODES = {"INT64": "q", "FP32": "f"}
LENGTH = "Inference-Header-Content-Length"


def packed(tensor):
    data = tensor["data"]
    return struct.pack(f"<{len(data)}{CODES[tensor['datatype']]}", *data)


def with_json(address, inputs):
    body = json.dumps({"inputs": inputs, "outputs": [{"name": "prob"}]}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["outputs"][0]["data"]


def with_binary(address, inputs):
    parts = [packed(tensor) for tensor in inputs]
    heads = [
        {key: tensor[key] for key in ("name", "datatype", "shape")} | {"parameters": {"binary_data_size": len(part)}}
        for tensor, part in zip(inputs, parts)
    ]
    outputs = [{"name": "prob", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": heads, "outputs": outputs}).encode()
    url = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    headers = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
    connection.request("POST", url.path, head + b"".join(parts), headers)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise ValueError(body)
    length = int(response.headers[LENGTH])
    (output,) = json.loads(body[:length])["outputs"]
    size = output["parameters"]["binary_data_size"]
    if output["datatype"] != "FP32" or length + size != len(body):
        raise ValueError(output)
    return struct.unpack(f"<{size // 4}f", body[length:])


def main(url, model, how):
    inputs = json.load(sys.stdin)
    address = f"{url}/v2/models/{model}"
    with urllib.request.urlopen(address, timeout=30) as response:
        known = {tensor["name"] for tensor in json.load(response)["inputs"]}
    unknown = [tensor["name"] for tensor in inputs if tensor["name"] not in known]
    if unknown != ["hist_weighted__weights"]:  # Weights are optional, so they are not listed.
        raise ValueError(f"the model does not list {unknown}")
    infer = with_binary if how == "binary" else with_json
    json.dump(infer(f"{address}/infer", inputs), sys.stdout)


main(*sys.argv[1:])
