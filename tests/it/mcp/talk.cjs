// Speaks to an MCP server through one of the MCP project's own clients and prints what came of each step as JSON.
// The plan is read from standard input; the clients are found in the folder named as the only argument.
const { createRequire } = require('node:module');

const load = createRequire(`${process.argv[2]}/`);

function open(plan) {
  const about = { name: plan.client, version: '1.0.0' };
  const server = { command: plan.command, args: plan.args, env: plan.env, cwd: plan.cwd };
  if (plan.sdk === 'sdk') {
    const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
    const { StdioClientTransport } = load('@modelcontextprotocol/sdk/client/stdio.js');
    return [new Client(about), new StdioClientTransport(server)];
  }
  const { Client } = load('@modelcontextprotocol/client');
  const { StdioClientTransport } = load('@modelcontextprotocol/client/stdio');
  return [new Client(about, { versionNegotiation: { mode: plan.mode } }), new StdioClientTransport(server)];
}

async function take(client, step) {
  try {
    if (step.list === 'tools') return await client.listTools();
    if (step.list === 'prompts') return await client.listPrompts();
    if (step.prompt) return await client.getPrompt({ name: step.prompt, arguments: step.arguments });
    return await client.callTool({ name: step.call, arguments: step.arguments });
  } catch (error) {
    return { thrown: String(error) };
  }
}

async function main() {
  let text = '';
  for await (const piece of process.stdin) text += piece;
  const plan = JSON.parse(text);
  const [client, transport] = open(plan);
  let agreed;
  // The older client tells the version only to its transport.
  transport.setProtocolVersion ??= (version) => (agreed = version);
  await client.connect(transport);
  const results = [];
  for (const step of plan.steps) results.push(await take(client, step));
  const told = {
    protocol: client.getNegotiatedProtocolVersion?.() ?? agreed,
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    results,
  };
  await client.close();
  console.log(JSON.stringify(told));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
