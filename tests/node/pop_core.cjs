// Calls a certificate service through @alicloud/pop-core, which knows no action and signs the query.
//
// It speaks as caller.cjs does. CAS_ENDPOINT is a URL; POP_CORE is the package that is required; POP_CALLS is "forms" (all
// calls are POSTs with everything in a form) or "camel case" (actions begin with a small letter; reads are GETs).

"use strict";

const readline = require("node:readline");
const { RPCClient } = require(process.env.POP_CORE);

const client = new RPCClient({
  accessKeyId: process.env.ALIBABA_CLOUD_ACCESS_KEY_ID,
  accessKeySecret: process.env.ALIBABA_CLOUD_ACCESS_KEY_SECRET,
  endpoint: process.env.CAS_ENDPOINT,
  apiVersion: "2020-04-07",
});

const forms = process.env.POP_CALLS === "forms";
const named = (action) => (forms ? action : action[0].toLowerCase() + action.slice(1));
const isRead = (action) => /^(Describe|List)/.test(action);

async function answer({ action, parameters }) {
  const method = forms || !isRead(action) ? "POST" : "GET";
  try {
    return { status: 200, body: await client.request(named(action), parameters, { method }) };
  } catch (error) {
    if (error.data === undefined) throw error; // no answer came
    const { Code: code, Message: message, RequestId: requestId } = error.data;
    return { raised: error.constructor.name, status: error.entry.response.statusCode, code, message, requestId };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
}

main();
