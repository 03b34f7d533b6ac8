// Calls a certificate service through the official SDK for Node.
//
// It reads one call per line, {"action": "CancelOrderRequest", "parameters": {"OrderId": 1}}, and writes one answer per
// line: {"status", "body"} of a success; of what the SDK threw {"raised", "status", "code", "message", "requestId"}.
// CAS_ENDPOINT is host:port; ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET sign the calls.

"use strict";

const readline = require("node:readline");
const cas = require("@alicloud/cas20200407");
const { $OpenApiUtil } = require("@alicloud/openapi-core");

const client = new cas.default(
  new $OpenApiUtil.Config({
    accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
    accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
    endpoint: process.env.CAS_ENDPOINT,
    protocol: "http",
  }),
);

const camelCase = (name) => name[0].toLowerCase() + name.slice(1);

const fields = (parameters) =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [camelCase(name), value]));

function modelOf(action, { Tags, ...parameters }) {
  const given = fields(parameters);
  if (Tags !== undefined) {
    const Tag = cas[`${action}RequestTags`];
    given.tags = Tags.map((tag) => new Tag(fields(tag)));
  }
  return new cas[`${action}Request`](given);
}

async function answer({ action, parameters }) {
  const request = modelOf(action, parameters);
  try {
    const { statusCode, body } = await client[camelCase(action)](request);
    return { status: statusCode, body: body.toMap() };
  } catch (error) {
    const { statusCode, code, message, requestId } = error;
    if (statusCode === undefined) throw error; // no answer came
    return { raised: error.constructor.name, status: statusCode, code, message, requestId };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
}

main();
