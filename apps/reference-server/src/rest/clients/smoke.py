"""A client that knows nothing but openapi.json: standard library only, methods made at run time.

Not generated code: it reads the description, makes one method an operation, and refuses whatever the description
doesn't declare, on the way out and on the way back. The last line that it prints is a JSON object of what it saw.

usage: smoke.py URL API_KEY
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


class Client:
    def __init__(self, url, api_key):
        self.url = url
        self.api_key = api_key
        with urllib.request.urlopen(url + "/openapi.json") as answer:
            self.document = json.load(answer)
        self.called = set()
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                setattr(self, operation["operationId"], self._method(method.upper(), path, operation))

    def operations(self):
        return {o["operationId"] for methods in self.document["paths"].values() for o in methods.values()}

    def resolve(self, schema):
        """Follows a reference into the document."""
        while "$ref" in schema:
            found = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _method(self, method, path, operation):
        parameters = [self.resolve(parameter) for parameter in operation.get("parameters", [])]

        def call(body=None, **given):
            self.called.add(operation["operationId"])
            url, query, headers = path, {}, {"Authorization": "Bearer " + self.api_key, "Accept": "application/json, application/problem+json"}
            for parameter in parameters:
                name = parameter["name"]
                value = given.pop(name.replace("-", "_"), None)
                if value is None:
                    assert not parameter["required"], f"{operation['operationId']} needs {name}"
                elif parameter["in"] == "path":
                    url = url.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
                elif parameter["in"] == "query":
                    query[name] = value
                else:
                    headers[name] = value
            assert not given, f"{operation['operationId']} has no {sorted(given)}"
            data = None
            if body is not None:
                [media_type] = operation["requestBody"]["content"]
                headers["Content-Type"] = media_type
                data = json.dumps(body).encode()
            if query:
                url += "?" + urllib.parse.urlencode(query)
            request = urllib.request.Request(self.url + url, data=data, headers=headers, method=method)
            try:
                answer = urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return self._read(operation, answer)

        return call

    def _read(self, operation, answer):
        status = str(answer.status)
        declared = operation["responses"].get(status)
        assert declared, f"{operation['operationId']} answers {status}, which is not declared"
        media_type = answer.headers.get_content_type()
        assert media_type in declared["content"], f"{media_type} is not declared for {status}"
        body = json.load(answer)
        self.check(declared["content"][media_type]["schema"], body, operation["operationId"])
        for name in answer.headers:
            if name.lower().startswith("idempotency-") or name.lower() == "retry-after":
                known = [header.lower() for header in declared["headers"]]
                assert name.lower() in known, f"{name} is not declared for {status} of {operation['operationId']}"
        return answer.status, body, {name.lower(): value for name, value in answer.headers.items()}

    def check(self, schema, value, at):
        """As much of JSON Schema as the description uses."""
        schema = self.resolve(schema)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                fitting = 0
                for choice in schema[word]:
                    try:
                        self.check(choice, value, at)
                        fitting += 1
                    except AssertionError:
                        pass
                assert fitting > 0 and (word == "anyOf" or fitting == 1), f"{at}: {fitting} of {word} fit"
        names = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float), "integer": int}
        if "type" in schema:
            types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
            assert any(isinstance(value, names[name]) for name in types), f"{at} is no {types}"
        if "enum" in schema:
            assert value in schema["enum"], f"{at}: {value} is none of {schema['enum']}"
        if "const" in schema:
            assert value == schema["const"], f"{at} is not {schema['const']}"
        if isinstance(value, dict):
            for name in schema.get("required", []):
                assert name in value, f"{at} lacks {name}"
            for name, inner in schema.get("properties", {}).items():
                if name in value:
                    self.check(inner, value[name], f"{at}.{name}")
        if isinstance(value, list):
            for item in value:
                self.check(schema.get("items", {}), item, f"{at}[]")


def main(url, api_key):
    api = Client(url, api_key)
    seen = {}
    coffee = {"amount": 450, "currency": "EUR", "customer": "cus_ok", "reference": "python"}

    status, paid, headers = api.paymentsCreate(coffee, Idempotency_Key='"python-1"', Idempotency_Contract="1")
    seen["first"] = [status, paid["state"], headers.get("idempotency-replayed")]
    status, again, headers = api.paymentsCreate(coffee, Idempotency_Key='"python-1"')
    seen["replay"] = [status, again == paid, headers.get("idempotency-replayed")]
    status, problem, _ = api.paymentsCreate({**coffee, "amount": 451}, Idempotency_Key='"python-1"')
    seen["reused"] = [status, problem["code"]]
    status, problem, _ = api.paymentsCreate({**coffee, "customer": "cus_declined"}, Idempotency_Key='"python-2"')
    seen["declined"] = [status, problem["code"]]
    status, problem, _ = api.paymentsCreate({"amount": 0}, Idempotency_Key='"python-3"')
    seen["invalid"] = [status, sorted(issue["path"] for issue in problem["issues"])]

    status, one, _ = api.paymentsGet(id=paid["id"])
    seen["get"] = [status, one == paid]
    status, problem, _ = api.paymentsGet(id="pay/none")
    seen["none"] = [status, problem["code"]]
    status, listed, _ = api.paymentsList(limit=1)
    seen["list"] = [status, len(listed["payments"])]

    status, order, headers = api.ordersCreate({"sku": "lamp", "quantity": 1}, Idempotency_Key='"python-4"')
    seen["order"] = [status, order["sku"]]
    status, told, _ = api.idempotencyStatus(operationId=headers["idempotency-operation"])
    seen["status"] = [status, told["state"], told["procedure"]]
    status, told, _ = api.idempotencyStatusByKey(procedure="orders.create", Idempotency_Key='"python-4"')
    seen["statusByKey"] = [status, told["state"]]
    status, enrolled, _ = api.enrollmentsCreate({"studentId": "ada", "courseId": "python"}, Idempotency_Key='"python-5"')
    seen["enrollment"] = [status, enrolled["seat"]]

    payout = {"amount": 90000, "currency": "EUR", "destination": "acct_python"}
    status, accepted, headers = api.payoutsCreate(payout, Idempotency_Key='"python-6"')
    seen["accepted"] = [status, accepted["$idempotency"], headers["location"] == "/idempotency/operations/" + accepted["operationId"]]
    until = time.monotonic() + 20
    while status == 202 and time.monotonic() < until:
        time.sleep(accepted["pollAfterMs"] / 1000)
        status, paid_out, headers = api.payoutsCreate(payout, Idempotency_Key='"python-6"')
    seen["payout"] = [status, paid_out["state"], headers.get("idempotency-replayed")]

    seen["uncalled"] = sorted(api.operations() - api.called)
    print(json.dumps(seen))


main(*sys.argv[1:])
