import{t as e}from"./libesm-Crg2Ke69.js";import{k as t}from"./src-B-lVUxn2.js";function n(e){return e.startsWith(`+++`)||e.startsWith(`---`)?`diff-file`:e.startsWith(`@@`)?`diff-place`:e.startsWith(`+`)?`diff-added`:e.startsWith(`-`)?`diff-removed`:`diff-same`}function r({text:e,label:r=`Changes`}){let i=e.replace(/\n$/,``).split(`
`);return t(`pre`,{class:`diff`,role:`group`,"aria-label":r,tabIndex:0,children:i.map((e,r)=>t(`span`,{class:`diff-line ${n(e)}`,children:[e===``?` `:e,`
`]},r))})}function i(t,n,r=3){let{hunks:i}=e(``,``,t,n,``,``,{context:r});return i.map(({oldStart:e,oldLines:t,newStart:n,newLines:r,lines:i})=>[`@@ -${e},${t} +${n},${r} @@`,...i].join(`
`)).join(`
`)}export{i as n,r as t};