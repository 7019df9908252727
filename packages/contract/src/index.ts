// The newest version of the contract. Whoever stores or relays what it describes should import a version by name.
export * from './v1/index.ts';
