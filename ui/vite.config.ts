import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The window loads the pages from tauri://localhost or http://tauri.localhost: links stay relative.
  base: './',
  plugins: [svelte({ configFile: false }), svelteTesting()],
  clearScreen: false,
  build: { target: 'es2022' },
  // The tokens' contrast is computed from the file itself.
  test: { environment: 'jsdom', include: ['src/**/*.test.ts'], css: { include: [/tokens/] }, testTimeout: 30_000 },
});
