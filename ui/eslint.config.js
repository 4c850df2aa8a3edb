// What the compiler does not check: who may import whom, and plain mistakes.
import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

const tauri = {
  group: ['@tauri-apps/*'],
  message: 'Only host/tauri.ts knows Tauri. Use the Host of the context.',
};
const hosts = {
  regex: 'host/(tauri|fake(-\\w+)?)$',
  message: 'Only main.ts chooses a host. Use the Host of the context.',
};
const features = {
  regex: '^\\.\\./[^.]|features/',
  message: 'A feature imports shared components, never another feature.',
};
const restrict = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/bindings'] },
  js.configs.recommended,
  ts.configs.recommended,
  svelte.configs.recommended,
  { languageOptions: { globals: globals.browser } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    // svelte-check compiles each component with TypeScript and knows every name.
    rules: { 'no-undef': 'off' },
  },
  { files: ['src/**'], rules: restrict(tauri, hosts) },
  { files: ['src/main.ts', 'src/host/**', 'src/testing.ts', 'src/**/*.test.ts'], rules: restrict(tauri) },
  { files: ['src/host/tauri.ts', 'src/host/tauri.test.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['src/features/**'], ignores: ['**/*.test.ts'], rules: restrict(tauri, hosts, features) },
  {
    files: ['src/components/**', 'src/queries/**'],
    ignores: ['**/*.test.ts'],
    rules: restrict(tauri, hosts, { ...features, regex: 'features/' }),
  },
  { files: ['src/**/*.svelte'], rules: { 'svelte/no-navigation-without-resolve': 'off' } },
);
