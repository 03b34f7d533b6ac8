// Which of some documents are valid by a schema, says ajv, in its class for JSON Schema 2020-12.
//
// It reads {"schema", "documents"} from standard input, and writes {"valid": [true or false ...], "default": what its
// default class says of the schema}.

"use strict";

const Ajv = require("ajv");
const Ajv2020 = require("ajv/dist/2020");

const { schema, documents } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const validate = new Ajv2020().compile(schema);
let said = "takes it";
try {
  new Ajv().compile(schema);
} catch (error) {
  said = error.message;
}
process.stdout.write(JSON.stringify({ valid: documents.map((each) => validate(each)), default: said }));
