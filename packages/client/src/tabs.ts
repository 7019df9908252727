// For pages: the tabs of one browser wait for each other.
export { type BrowserTabsOptions, browserTabs } from './presence/tabs.ts';
